/** The leaderboard's order and words apart from any page. */
import type { Ranked } from "../types.ts";

export interface Move {
  sign: string;
  word: string;
  kind: "up" | "down" | "same" | "new";
}

/** How a place moved in 24 hours; who was not there a day ago is new. */
export function move(row: Pick<Ranked, "rank" | "rank_before">): Move {
  if (row.rank_before == null) return { sign: "new", word: "new in 24 hours", kind: "new" };
  const by = row.rank_before - row.rank;
  if (by === 0) return { sign: "=", word: "same place as a day ago", kind: "same" };
  const word = `${by > 0 ? "up" : "down"} ${Math.abs(by)} since a day ago`;
  return { sign: `${by > 0 ? "▲" : "▼"}${Math.abs(by)}`, word, kind: by > 0 ? "up" : "down" };
}

type Key = (row: Ranked) => number | string;

export const KEYS: Record<string, Key> = {
  rank: (row) => row.rank,
  delta: (row) => row.delta ?? NaN,
  runs: (row) => -row.n_runs,
  agent: (row) => row.agent ?? "",
  hardware: (row) => row.device_class,
  took: (row) => row.seconds ?? NaN,
  when: (row) => -new Date(row.finished_at ?? row.created_at).getTime(),
};

/** `delta` sorts by it, `-delta` the other way round; whatever is not known comes last both times. */
export function sorted(rows: Ranked[], sort: string, direction: "min" | "max"): Ranked[] {
  const [back, name] = sort.startsWith("-") ? [-1, sort.slice(1)] : [1, sort];
  const key = KEYS[name] ?? KEYS.rank;
  const turn = name === "delta" && direction === "max" ? -back : back;
  const missing = (value: number | string): boolean => typeof value === "number" && Number.isNaN(value);
  return rows.toSorted((a, b) => {
    const [one, two] = [key(a), key(b)];
    if (missing(one) || missing(two)) return Number(missing(one)) - Number(missing(two)) || a.rank - b.rank;
    return (one < two ? -turn : one > two ? turn : 0) || a.rank - b.rank;
  });
}

/** A click on a header sorts by it; a second click turns the order round. */
export const turned = (sort: string, name: string): string => (sort === name ? `-${name}` : name);

/** What a header says of its order to a screen reader. */
export function ordered(sort: string, name: string): "ascending" | "descending" | "none" {
  if (sort.replace("-", "") !== name) return "none";
  const down = name === "runs" || name === "when";
  return sort.startsWith("-") === down ? "ascending" : "descending";
}
