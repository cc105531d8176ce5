/** What the progress plot shows, apart from any canvas: stairs, dots, the clip, where labels fit. */
import { standingOf, statusOf, type Forest } from "../tree/columns.ts";

export type Axis = "number" | "time" | "hours" | "tokens";

export interface Progress {
  /** X of every row: its number, Unix seconds, or device hours or tokens used until then. */
  x: Float64Array;
  stair: (number | null)[];
  verified: (number | null)[];
  kept: number[];
  tried: number[];
  crashed: number[];
  running: number[];
  baseline: number;
  best: number;
}

/** What was used until each row, for the axes of cost, and which rows to show; without a mask, all. */
export interface Lens {
  used?: Float64Array | undefined;
  only?: Uint8Array | undefined;
}

function across(forest: Forest, axis: Axis, used: Float64Array | undefined): Float64Array {
  if (used) return used;
  return axis === "time" ? forest.seconds.map((at) => forest.epoch / 1000 + at) : Float64Array.from(forest.number);
}

/** Sort every row into its layer, and build both staircases over all rows that are shown. */
export function progress(forest: Forest, axis: Axis, { used, only }: Lens = {}): Progress {
  const out: Progress = {
    x: across(forest, axis, used),
    stair: new Array<number | null>(forest.size),
    verified: new Array<number | null>(forest.size),
    kept: [], tried: [], crashed: [], running: [],
    baseline: forest.size > 0 ? forest.score[0] : NaN,
    best: NaN,
  };
  let sure = NaN;
  for (let row = 0; row < forest.size; row++) {
    const score = forest.score[row];
    if (only === undefined || only[row] === 1) {
      layer(out, forest, row).push(row);
      if (better(score, out.best, forest.sign)) out.best = score;
      if (standingOf(forest, row) === "verified" && better(score, sure, forest.sign)) sure = score;
    }
    out.stair[row] = Number.isNaN(out.best) ? null : out.best;
    out.verified[row] = Number.isNaN(sure) ? null : sure;
  }
  return out;
}

function layer(out: Progress, forest: Forest, row: number): number[] {
  if (!Number.isNaN(forest.score[row])) return forest.kept[row] === 1 ? out.kept : out.tried;
  return statusOf(forest, row) === "running" ? out.running : out.crashed;
}

const better = (score: number, than: number, sign: number): boolean =>
  !Number.isNaN(score) && (Number.isNaN(than) || sign * score < sign * than);

export interface Clip {
  low: number;
  high: number;
  /** Dots outside, which the page says aloud. */
  outside: number;
}

/** From a little better than the best to a third of the gain worse than the baseline. */
export function clip(forest: Forest, data: Progress, whole: boolean): Clip {
  const scores = forest.score.filter((score) => !Number.isNaN(score));
  const least = scores.reduce((low, score) => Math.min(low, score), Infinity);
  const most = scores.reduce((high, score) => Math.max(high, score), -Infinity);
  if (whole || Number.isNaN(data.baseline)) return pad(least, most);
  const gain = Math.abs(data.baseline - data.best) || Math.abs(most - least) || Math.abs(least) * 0.01 || 1;
  const edges = [data.best - forest.sign * gain * 0.12, data.baseline + forest.sign * gain * 0.35];
  const [low, high] = [Math.min(...edges), Math.max(...edges)];
  return { low, high, outside: scores.filter((score) => score < low || score > high).length };
}

function pad(low: number, high: number): Clip {
  if (!Number.isFinite(low)) return { low: 0, high: 1, outside: 0 };
  const room = (high - low || Math.abs(high) * 0.01 || 1) * 0.08;
  return { low: low - room, high: high + room, outside: 0 };
}

/** Whether scores lie above nothing and orders of magnitude apart: a logarithm tells such apart. */
export function wide({ score }: Forest): boolean {
  const least = score.reduce((low, each) => (each < low ? each : low), Infinity);
  return least > 0 && score.some((each) => each > 10 * least);
}

/** The same with logarithms for scores: all that is drawn follows. */
export const bent = (forest: Forest): Forest => ({ ...forest, score: forest.score.map(Math.log10) });

export interface Label {
  row: number;
  text: string;
  x: number;
  y: number;
}

interface Wanted {
  forest: Forest;
  kept: number[];
  text: (row: number) => string;
  at: (row: number) => { x: number; y: number };
  measure: (text: string) => number;
  /** Pixels per CSS pixel, and the right edge in pixels. */
  scale: number;
  right: number;
}

/** Kept steps by how much they gained; a label that would overlap another is left out. */
export function placeLabels({ forest, kept, text, at, measure, scale, right }: Wanted): Label[] {
  const gain = (row: number, rank: number): number =>
    rank === 0 ? 0 : Math.abs(forest.score[kept[rank - 1]] - forest.score[row]);
  const order = kept.map((row, rank) => ({ row, gain: gain(row, rank) })).sort((a, b) => b.gain - a.gain);
  const taken: Rect[] = [];
  const labels: Label[] = [];
  // On a phone a few labels say more than a heap of them.
  const most = right / scale < 640 ? 3 : 60;
  for (const { row } of order.slice(0, most)) {
    const words = text(row);
    const { x, y } = at(row);
    const wide = measure(words);
    const left = Math.min(x + 7 * scale, right - wide - 4 * scale);
    const place = { left, right: left + wide, top: y - 19 * scale, bottom: y - 2 * scale };
    if (!words || taken.some((other) => overlap(place, other))) continue;
    taken.push(place);
    labels.push({ row, text: words, x: left, y: y - 7 * scale });
  }
  return labels;
}

interface Rect {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const overlap = (a: Rect, b: Rect): boolean =>
  a.left < b.right + 4 && b.left < a.right + 4 && a.top < b.bottom && b.top < a.bottom;

/** The scored row nearest to a point, by binary search over x and a scan of the few within reach. */
export function nearest(data: Progress, forest: Forest, x: number, reach: number, away: (row: number) => number): number {
  let [low, high] = [0, data.x.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (data.x[middle] < x - reach) low = middle + 1;
    else high = middle;
  }
  let [found, least] = [-1, 14];
  for (let row = low; row < data.x.length && data.x[row] <= x + reach; row++) {
    const distance = Number.isNaN(forest.score[row]) ? Infinity : away(row);
    if (distance < least) [found, least] = [row, distance];
  }
  return found;
}
