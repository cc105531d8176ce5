/** What experiments cost, laid over the tree's rows: device hours so far, and who ran on what. */
import type { Effort } from "../types.ts";
import { rowOf, type Forest } from "../tree/columns.ts";

/** Device hours that a goal had used when each row was done, in order of number. */
export function hoursSoFar(forest: Forest, effort: Effort): Float64Array {
  const hours = new Float64Array(forest.size);
  effort.number.forEach((number, at) => {
    const row = rowOf(forest, number);
    if (row >= 0) hours[row] += effort.seconds[at] / 3600;
  });
  for (let row = 1; row < hours.length; row++) hours[row] += hours[row - 1];
  return hours;
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
