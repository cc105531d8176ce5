/** A diff's hunks as rows to show: side by side or one under another, with the changed words marked. */
import type { Hunk } from "../types.ts";

export interface Line {
  kind: string;
  text: string;
  old: number | null;
  new: number | null;
  /** The part that differs from its counterpart, as [from, to). */
  mark: [number, number] | null;
}

type Wire = Hunk["lines"][number];

/** Lines of a hunk; a removed line followed by an added one is compared word by word. */
export function toLines(hunk: Hunk): Line[] {
  const lines = hunk.lines.map((line) => ({ kind: line.kind, text: line.text.replace(/\n$/, ""), old: line.old ?? null, new: line.new ?? null, mark: null }));
  for (const [removed, added] of pairs(lines)) {
    [removed.mark, added.mark] = difference(removed.text, added.text);
  }
  return lines;
}

function pairs(lines: Line[]): [Line, Line][] {
  const found: [Line, Line][] = [];
  for (let from = 0; from < lines.length; from++) {
    if (lines[from].kind !== "-") continue;
    let middle = from;
    while (lines[middle]?.kind === "-") middle += 1;
    let end = middle;
    while (lines[end]?.kind === "+") end += 1;
    for (let at = 0; at < Math.min(middle - from, end - middle); at++) found.push([lines[from + at], lines[middle + at]]);
    from = Math.max(from, end - 1);
  }
  return found;
}

/** What is left between the common start and the common end, widened to whole words. */
export function difference(a: string, b: string): [[number, number] | null, [number, number] | null] {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
  while (start > 0 && word(a[start - 1])) start -= 1;
  while (end > 0 && word(a[a.length - end])) end -= 1;
  const part = (text: string): [number, number] | null => (text.length - end > start ? [start, text.length - end] : null);
  const tooMuch = start + end < Math.min(a.length, b.length) * 0.2;
  return tooMuch ? [null, null] : [part(a), part(b)];
}

const word = (letter: string | undefined): boolean => letter !== undefined && /[\w.]/.test(letter);

/** Two columns: context on both sides, removed left, added right. */
export function sideBySide(lines: Line[]): [Line | null, Line | null][] {
  const rows: [Line | null, Line | null][] = [];
  let removed: Line[] = [];
  let added: Line[] = [];
  const flush = (): void => {
    for (let at = 0; at < Math.max(removed.length, added.length); at++) rows.push([removed[at] ?? null, added[at] ?? null]);
    [removed, added] = [[], []];
  };
  for (const line of lines) {
    if (line.kind === "-") removed.push(line);
    else if (line.kind === "+") added.push(line);
    else {
      flush();
      rows.push([line, line]);
    }
  }
  flush();
  return rows;
}

/** The patch as text, to copy. */
export function toPatch(path: string, hunks: Hunk[]): string {
  const body = hunks.map((hunk: Hunk) => [hunk.header.trim(), ...hunk.lines.map((line: Wire) => line.kind + line.text.replace(/\n$/, ""))].join("\n"));
  return `--- a/${path}\n+++ b/${path}\n${body.join("\n")}\n`;
}
