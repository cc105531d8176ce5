/** Where glyphs stand. Focus: depth to the right, the best child on its parent's line.
 * Everything: number to the right, leaf order down. */
import type { Forest } from "./columns.ts";
import type { Glyph } from "./focus.ts";
import { childrenOf, type Summary } from "./summary.ts";

export interface Places {
  x: Float64Array;
  y: Float64Array;
  width: number;
  height: number;
}

interface Outline {
  /** Uppermost and lowest line in use, by column from the subtree's own root on. */
  top: number[];
  bottom: number[];
}

/** Columns and lines for the focus tree; subtrees are packed as close as their outlines allow. */
export function layoutFocus(glyphs: Glyph[]): Places {
  const offset = new Float64Array(glyphs.length);
  const outlines: Outline[] = new Array<Outline>(glyphs.length);
  for (let index = glyphs.length - 1; index >= 0; index--) {
    outlines[index] = pack(glyphs[index].children, outlines, offset);
  }
  stackRoots(glyphs, outlines, offset);
  const x = new Float64Array(glyphs.length);
  const y = new Float64Array(glyphs.length);
  glyphs.forEach((glyph, index) => {
    x[index] = glyph.parent < 0 ? 0 : x[glyph.parent] + 1;
    y[index] = offset[index] + (glyph.parent < 0 ? 0 : y[glyph.parent]);
  });
  return { x, y, width: largest(x), height: largest(y) };
}

function pack(children: number[], outlines: Outline[], offset: Float64Array): Outline {
  const own: Outline = { top: [0], bottom: [0] };
  children.forEach((child, rank) => {
    const down = rank === 0 ? 0 : clearance(own, outlines[child]);
    offset[child] = down;
    merge(own, outlines[child], down);
    own.bottom[0] = Math.max(own.bottom[0], down); // the line down to this child needs its room
  });
  return own;
}

function clearance(own: Outline, child: Outline): number {
  let down = 1;
  for (let column = 0; column < child.top.length; column++) {
    const used = own.bottom[column + 1];
    if (used !== undefined) down = Math.max(down, used + 1 - child.top[column]);
  }
  return down;
}

function merge(own: Outline, child: Outline, down: number): void {
  for (let column = 0; column < child.top.length; column++) {
    const at = column + 1;
    own.top[at] = Math.min(own.top[at] ?? Infinity, child.top[column] + down);
    own.bottom[at] = Math.max(own.bottom[at] ?? -Infinity, child.bottom[column] + down);
  }
}

function stackRoots(glyphs: Glyph[], outlines: Outline[], offset: Float64Array): void {
  let line = 0;
  glyphs.forEach((glyph, index) => {
    if (glyph.parent >= 0) return;
    offset[index] = line;
    line += Math.max(...outlines[index].bottom) + 2;
  });
}

/** Every experiment: x is its number or its time, y its place among the leaves, the best on top. */
export function layoutAll(forest: Forest, summary: Summary, byTime = false): Places {
  const x = byTime ? spread(forest) : Float64Array.from(forest.number);
  const y = new Float64Array(forest.size);
  let line = 0;
  const stack = summary.roots.toReversed();
  while (stack.length > 0) {
    const row = stack.pop() as number;
    y[row] = line;
    const children = childrenOf(summary, row).slice();
    if (children.length === 0) line += 1;
    children.sort((a, b) => summary.best[b] - summary.best[a] || b - a); // the best comes off first
    for (const child of children) stack.push(child);
  }
  return { x, y, width: largest(x), height: largest(y) };
}

/** Times on as many units as there are numbers, so that both views zoom alike. */
function spread(forest: Forest): Float64Array {
  const units = forest.number[forest.size - 1] / (largest(forest.seconds) || 1);
  return forest.seconds.map((at) => at * units);
}

const largest = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, value), 0);
