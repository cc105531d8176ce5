/** The focus tree: what matters of a large tree in a bounded number of glyphs.
 *
 * Unfolds best first until the budget is spent. A child gets its own glyph when it has children of
 * its own or is worth a look (top scores, running, kept, pinned); the rest of its siblings become
 * one bundle, so that 12,707 tries are one square that says how many and how good.
 */
import type { Forest } from "./columns.ts";
import { Heap } from "./heap.ts";
import { childrenOf, type Summary } from "./summary.ts";

export interface Glyph {
  /** Row in the forest; for a bundle the row of its parent. */
  row: number;
  bundle: boolean;
  /** Index of the parent glyph, -1 for a root. */
  parent: number;
  /** Experiments it stands for: 1, or those folded below. */
  count: number;
  /** Least cost among them. */
  best: number;
  children: number[];
  /** The rows folded into a bundle. */
  folded: number[];
}

export interface FocusOptions {
  budget?: number;
  perParent?: number;
  /** Numbers of parents whose bundles were opened, once for each time. */
  open?: string[];
  /** Rows that must be seen, such as the selected one. */
  pinned?: Iterable<number>;
}

const TOP = 200;
const SMALL = 80;

/** Choose the glyphs; the first of each glyph's children is the one that leads to the best score. */
export function focus(forest: Forest, summary: Summary, options: FocusOptions = {}): Glyph[] {
  const budget = options.budget ?? 1500;
  const wanted = worthALook(forest, summary, options.pinned ?? []);
  const opened = tally(options.open ?? []);
  const glyphs: Glyph[] = [];
  const queue = new Heap((index) => glyphs[index].best);
  const add = (row: number, parent: number): void => {
    glyphs.push({ row, bundle: false, parent, count: 1, best: summary.best[row], children: [], folded: [] });
    if (parent >= 0) glyphs[parent].children.push(glyphs.length - 1);
    if (summary.start[row + 1] > summary.start[row]) queue.push(glyphs.length - 1);
  };
  for (const root of summary.roots) add(root, -1);
  for (let index = queue.pop(); index !== undefined; index = queue.pop()) {
    const row = glyphs[index].row;
    const room = glyphs.length + queue.size < budget ? (options.perParent ?? 40) : 0;
    const more = opened.get(forest.number[row]) ?? 0;
    const { shown, folded } = split(childrenOf(summary, row), summary, wanted, room, more);
    for (const child of shown) add(child, index);
    if (folded.length > 0) addBundle(glyphs, summary, index, folded);
  }
  return glyphs;
}

function addBundle(glyphs: Glyph[], summary: Summary, parent: number, folded: number[]): void {
  let count = 0;
  let best = Infinity;
  for (const row of folded) {
    count += summary.size[row];
    best = Math.min(best, summary.best[row]);
  }
  glyphs.push({ row: glyphs[parent].row, bundle: true, parent, count, best, children: [], folded });
  glyphs[parent].children.push(glyphs.length - 1);
}

/** The children that get a glyph, best first, and those that are folded. A bundle of one is silly. */
function split(
  children: Int32Array,
  summary: Summary,
  wanted: Uint8Array,
  room: number,
  more: number,
): { shown: number[]; folded: number[] } {
  const ordered = Array.from(children).sort((a, b) => summary.best[a] - summary.best[b] || a - b);
  const worth = (row: number): boolean => wanted[row] === 1 || summary.size[row] > 1;
  const must = ordered.filter((row) => wanted[row] === 2);
  const may = ordered.filter((row) => wanted[row] !== 2 && worth(row));
  const chosen = new Set([...must, ...may.slice(0, Math.max(0, room - must.length))]);
  const hidden = [...may, ...ordered.filter((row) => !worth(row))].filter((row) => !chosen.has(row));
  for (const row of hidden.slice(0, more * 40)) chosen.add(row);
  const folded = ordered.filter((row) => !chosen.has(row));
  if (folded.length === 1 && room > 0) chosen.add(folded.pop() as number);
  return { shown: ordered.filter((row) => chosen.has(row)), folded };
}

/** 2: leads to something pinned or to the best; 1: worth a glyph of its own; 0: only a number.
 *
 * In a small tree everything is worth it. */
function worthALook(forest: Forest, summary: Summary, pinned: Iterable<number>): Uint8Array {
  const wanted = new Uint8Array(forest.size).fill(forest.size <= SMALL ? 1 : 0);
  const running = forest.statuses.indexOf("running");
  for (let row = 0; row < forest.size; row++) {
    if (forest.kept[row] === 1 || forest.status[row] === running) wanted[row] = 1;
  }
  for (const row of topRows(forest, Math.min(TOP, Math.ceil(forest.size / 20)))) wanted[row] = 1;
  for (const start of [summary.top, ...pinned]) {
    for (let row = start; row >= 0; row = forest.parent[row]) wanted[row] = 2;
  }
  return wanted;
}

/** The best rows, best first, by a bounded heap: sorting 100,000 scores for 200 would be a waste. */
export function topRows(forest: Forest, most: number): number[] {
  const worstFirst = new Heap((row) => -forest.sign * forest.score[row]);
  let bar = Infinity;
  for (let row = 0; row < forest.size; row++) {
    if (!(forest.sign * forest.score[row] < bar)) continue;
    worstFirst.push(row);
    if (worstFirst.size > most) bar = forest.sign * forest.score[worstFirst.pop() as number];
  }
  const rows: number[] = [];
  for (let row = worstFirst.pop(); row !== undefined; row = worstFirst.pop()) rows.push(row);
  return rows.reverse();
}

function tally(numbers: string[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const number of numbers) counts.set(Number(number), (counts.get(Number(number)) ?? 0) + 1);
  return counts;
}
