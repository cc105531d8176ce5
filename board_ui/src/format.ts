/** Numbers, times and names as the board writes them: 5 decimals, signs, words beside arrows. */

const MINUS = "−";
const UNITS: [seconds: number, word: string][] = [
  [86400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

/** A metric with 5 decimals, or fewer digits where those would say little; what is missing says so. */
export function metric(value: number | null | undefined): string {
  if (value === null || value === undefined) return "not reported";
  if (!Number.isFinite(value)) return "NaN";
  return value !== 0 && Math.abs(value) < 0.0001 ? value.toPrecision(3) : fixed(value, 5);
}

/** Tokens in a second need no hundred-thousandths, and a long number needs its thousands apart. */
export function fixed(value: number, digits: number): string {
  if (Math.abs(value) >= 1e15) return value.toExponential(5);
  return Math.abs(value) < 1e5 ? value.toFixed(digits) : value.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

/** What an experiment came to, or why there is no number. */
export function outcome(one: { status: string; score?: number | null; metric?: number | null }): string {
  const number = one.score ?? one.metric ?? null;
  if (one.status === "failed") return "no result";
  return one.status === "running" && number === null ? "no result yet" : metric(number);
}

export const NOT_RUN = "no run yet";

/** Whether it is a goal's baseline without a result: it counts as running before anybody trains it. */
export const unrun = (one: { status: string; operator?: string | undefined }): boolean => one.status === "running" && one.operator === "baseline";

/** A signed difference with a true minus sign. */
export function signed(value: number, digits = 5): string {
  const text = digits === 5 ? metric(Math.abs(value)) : fixed(Math.abs(value), digits);
  return Number(text) === 0 ? text : (value > 0 ? "+" : MINUS) + text;
}

/** What the best number that a card shows is better by than the baseline; null while there is none. */
export function gain(card: { verified_best?: number | null; best?: number | null; baseline?: number | null }): number | null {
  const best = card.verified_best ?? card.best ?? null;
  return best === null || card.baseline == null ? null : best - card.baseline;
}

export type Direction = "min" | "max";
export type Judgement = "better" | "worse" | "within noise" | "no change";

/** Whether a difference is a gain: noise is whatever lies inside two standard errors or the floor. */
export function judge(delta: number, sd: number | null, direction: Direction, floor = 0): Judgement {
  if (delta === 0) return "no change";
  if (Math.abs(delta) < Math.max(2 * (sd ?? 0), floor)) return "within noise";
  return delta < 0 === (direction === "min") ? "better" : "worse";
}

/** A duration in the two largest units: `2 h 5 min`. */
export function duration(seconds: number): string {
  if (seconds < 1) return "0 s";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const first = UNITS.findIndex(([size]) => seconds >= size);
  const [size, word] = UNITS[first];
  const whole = Math.floor(seconds / size);
  const next = UNITS[first + 1];
  const rest = next ? Math.floor((seconds % size) / next[0]) : 0;
  return rest ? `${whole} ${word} ${rest} ${next[1]}` : `${whole} ${word}`;
}

/** How long ago, in one unit. */
export function ago(then: string | number | Date, now: number = Date.now()): string {
  const seconds = Math.max(0, (now - new Date(then).getTime()) / 1000);
  if (seconds < 5) return "just now";
  const [size, word] = UNITS.find(([size]) => seconds >= size) ?? [1, "s"];
  return `${Math.floor(seconds / size)} ${word} ago`;
}

/** The absolute time, local zone first and UTC after it. */
export function absolute(then: string | number | Date): string {
  const date = new Date(then);
  return `${date.toLocaleString()} · ${date.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** The beginning of a text, which shows where it was cut: half a number reads as another one. */
export const clipped = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1).replace(/[\ud800-\udbff\u200d]+$/, "")}…` : text;

/** Markdown as words: its marks say nothing in a list, and a table's rule nothing at all. */
export const words = (text: string): string =>
  text
    .split("\n")
    .filter((line) => !/^[\s|:-]*-{3,}[\s|:-]*$/.test(line))
    .map((line) => plain(/^\s*\|/.test(line) ? line.split("|").map((cell) => cell.trim()).filter(Boolean).join(" · ") : line).trim())
    .filter(Boolean)
    .join(" ");

const plain = (line: string): string =>
  line.replace(/!\[([^\]]*)\]\([^)]*\)/g, "[picture: $1]").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/`|\*\*|^\s*(#{1,6}|>|[-*])\s+/g, "");

/** A large whole number with thin separators. */
export const count = (value: number): string => value.toLocaleString("en-US");

/** `1 run`, `3 runs`. */
export const plural = (value: number, word: string, many = `${word}s`): string =>
  `${count(value)} ${value === 1 ? word : many}`;

/** Why nothing can be verified yet, where too few owners ran anything of a goal; else nothing. */
export const lacking = (owners: number): string =>
  owners > 0 ? `Nothing can be verified before ${plural(owners, "more owner runs", "more owners run")} something here; where only one works, an operator lets their repeats verify (owners = 1).` : "";

/** Bytes in the unit a person would use. */
export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

export const short = (sha: string): string => sha.slice(0, 7);

/** One of twelve hues by name, the same on every page; the initials go with it. */
export function identity(name: string): { slot: number; initials: string } {
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
  const words = name.split(/[-_. ]+/).filter(Boolean);
  const initials = words.length > 1 ? words[0][0] + words[1][0] : name.slice(0, 2);
  return { slot: hash % 12, initials: initials.toUpperCase() };
}

// Joiners inside an emoji or an Arabic or Indic word are how those are spelled; anywhere else they only hide.
const SPELLED = /(?<=\p{ExtPict}[\ufe0f\p{EMod}]?)\u200d(?=\p{ExtPict})|(?<=[\u0600-\u0dff])[\u200c\u200d](?=[\u0600-\u0dff])|(?<=\p{Emoji})[\ufe0e\ufe0f]/u;
const HIDDEN = new RegExp(`(?!${SPELLED.source})[\\p{DI}\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u2028\\u2029\\ufff9-\\ufffb]`, "gu");

export interface Piece {
  text: string;
  hidden: boolean;
}

/** Cut text at characters that do not show or that turn the reading direction, so they can be shown. */
export function pieces(text: string): Piece[] {
  const out: Piece[] = [];
  let from = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (found.index > from) out.push({ text: text.slice(from, found.index), hidden: false });
    const code = found[0].codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0");
    out.push({ text: `U+${code}`, hidden: true });
    from = found.index + found[0].length;
  }
  if (from < text.length || out.length === 0) out.push({ text: text.slice(from), hidden: false });
  return out;
}
