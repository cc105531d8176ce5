/** What every view of a tree needs once per change: children, subtree sizes, bests, the best line. */
import type { Forest } from "./columns.ts";

export interface Summary {
  /** Children of row r are `child[start[r]] … child[start[r + 1] - 1]`, in order of number. */
  start: Int32Array;
  child: Int32Array;
  roots: number[];
  /** Experiments in the subtree, itself included. */
  size: Int32Array;
  /** Least cost in the subtree; Infinity where nothing has a score. */
  best: Float64Array;
  /** Row with the least cost of all, verified or not; -1 where nothing has a score. */
  top: number;
  depth: Int32Array;
}

/** One pass down and one pass up; rows are in order, so no recursion is needed. */
export function summarise(forest: Forest): Summary {
  const { size: count, parent, score, sign } = forest;
  const best = new Float64Array(count).fill(Infinity);
  const depth = new Int32Array(count);
  const start = new Int32Array(count + 1);
  let top = -1;
  for (let row = 0; row < count; row++) {
    const cost = sign * score[row];
    if (!Number.isNaN(cost)) best[row] = cost;
    if (cost < (top < 0 ? Infinity : sign * score[top])) top = row;
    if (parent[row] < 0) continue;
    depth[row] = depth[parent[row]] + 1;
    start[parent[row] + 1] += 1;
  }
  return { start, ...placeChildren(parent, start), size: fold(parent, best), best, top, depth };
}

function fold(parent: Int32Array, best: Float64Array): Int32Array {
  const size = new Int32Array(parent.length).fill(1);
  for (let row = parent.length - 1; row >= 0; row--) {
    const up = parent[row];
    if (up < 0) continue;
    size[up] += size[row];
    if (best[row] < best[up]) best[up] = best[row];
  }
  return size;
}

function placeChildren(parent: Int32Array, start: Int32Array): { child: Int32Array; roots: number[] } {
  for (let row = 1; row < start.length; row++) start[row] += start[row - 1];
  const next = start.slice();
  const child = new Int32Array(start[start.length - 1]);
  const roots: number[] = [];
  for (let row = 0; row < parent.length; row++) {
    if (parent[row] >= 0) child[next[parent[row]]++] = row;
    else roots.push(row);
  }
  return { child, roots };
}

/** A row's children. */
export const childrenOf = (summary: Summary, row: number): Int32Array =>
  summary.child.subarray(summary.start[row], summary.start[row + 1]);

/** From a row up to its root, itself first. */
export function lineage(forest: Forest, row: number): number[] {
  const line: number[] = [];
  for (let at = row; at >= 0; at = forest.parent[at]) line.push(at);
  return line;
}
