/** A forest without some subtrees, and which rows somebody wants ringed. */
import { GHOST, rowOf, type Forest } from "./columns.ts";

/** Everything but these numbers and what grew from them; the same forest where nothing is hidden. */
export function prune(forest: Forest, hidden: number[]): Forest {
  const gone = new Uint8Array(forest.size);
  for (const number of hidden) if (rowOf(forest, number) >= 0) gone[rowOf(forest, number)] = 1;
  const kept: number[] = [];
  for (let row = 0; row < forest.size; row++) {
    if (forest.parent[row] >= 0 && gone[forest.parent[row]] === 1) gone[row] = 1;
    if (gone[row] === 0) kept.push(row);
  }
  return kept.length === forest.size ? forest : only(forest, kept);
}

function only(forest: Forest, kept: number[]): Forest {
  const place = new Int32Array(forest.size).fill(GHOST);
  kept.forEach((row, at) => (place[row] = at));
  const moved = (row: number): number => (row >= 0 ? place[row] : row);
  const row = forest.row.slice().fill(-1);
  kept.forEach((from, at) => (row[forest.number[from]] = at));
  return {
    ...forest,
    size: kept.length,
    number: Int32Array.from(kept, (from) => forest.number[from]),
    parent: Int32Array.from(kept, (from) => moved(forest.parent[from])),
    second: Int32Array.from(kept, (from) => moved(forest.second[from])),
    score: Float64Array.from(kept, (from) => forest.score[from]),
    status: Uint8Array.from(kept, (from) => forest.status[from]),
    standing: Uint8Array.from(kept, (from) => forest.standing[from]),
    kept: Uint8Array.from(kept, (from) => forest.kept[from]),
    agent: Int32Array.from(kept, (from) => forest.agent[from]),
    seconds: Float64Array.from(kept, (from) => forest.seconds[from]),
    row,
  };
}

export const AGES: Record<string, number> = { hour: 3600, day: 86_400 };

/** Rows of the last hour or day, or of one agent written `@name`; none for anything else. */
export function ringed(forest: Forest, mark: string, now: number): number[] {
  const age = AGES[mark];
  const who = mark.startsWith("@") ? forest.agents.indexOf(mark.slice(1)) : -1;
  const rows: number[] = [];
  if (age === undefined && who < 0) return rows;
  const since = (now - forest.epoch) / 1000 - (age ?? 0);
  for (let row = 0; row < forest.size; row++) {
    if (age === undefined ? forest.agent[row] === who : forest.seconds[row] >= since) rows.push(row);
  }
  return rows;
}
