/** What experiments cost, laid over the tree's rows: device hours so far, and who ran on what. */
import type { Effort } from "../types.ts";
import { rowOf, type Forest } from "../tree/columns.ts";

/** Device hours or millions of tokens that a goal had used when each row was done, by number. */
export function usedSoFar(forest: Forest, effort: Effort, by: "hours" | "tokens"): Float64Array {
  const used = new Float64Array(forest.size);
  const [spent, unit] = by === "hours" ? [effort.seconds, 3600] : [effort.tokens, 1];
  effort.number.forEach((number, at) => {
    const row = rowOf(forest, number);
    if (row >= 0) used[row] += spent[at] / unit;
  });
  for (let row = 1; row < used.length; row++) used[row] += used[row - 1];
  return used;
}

/** The class of device that each row ran on first; -1 where it never ran. */
export function firstDevice(forest: Forest, effort: Effort): Int16Array {
  const device = new Int16Array(forest.size).fill(-1);
  effort.number.forEach((number, at) => {
    const row = rowOf(forest, number);
    if (row >= 0 && device[row] < 0) device[row] = effort.device[at];
  });
  return device;
}

/** 1 where an experiment ran on a class of device at least once. */
export function ranOn(forest: Forest, effort: Effort, name: string): Uint8Array {
  const wanted = effort.classes.indexOf(name);
  const mask = new Uint8Array(forest.size);
  effort.number.forEach((number, at) => {
    const row = rowOf(forest, number);
    if (row >= 0 && effort.device[at] === wanted) mask[row] = 1;
  });
  return mask;
}
