/** A goal's tree as typed arrays, made from the hub's columns and brought up to date by deltas. */

export interface Columns {
  goal: string;
  seq: number;
  direction: string;
  epoch: string;
  complete: boolean;
  statuses: string[];
  standings: string[];
  number: number[];
  parent: number[];
  second_parent: number[];
  score: (number | null)[];
  status: number[];
  standing: number[];
  kept: number[];
  agent: number[];
  seconds: number[];
  agents: string[];
}

/** Rows are in order of number, so a parent always stands before its children. */
export interface Forest {
  goal: string;
  seq: number;
  /** 1 when smaller is better, -1 when larger is: `sign * score` is a cost. */
  sign: number;
  epoch: number;
  statuses: string[];
  standings: string[];
  agents: string[];
  size: number;
  number: Int32Array;
  /** Row of the first parent; -1 for a root, -2 where the parent is not here (a ghost). */
  parent: Int32Array;
  second: Int32Array;
  score: Float64Array;
  status: Uint8Array;
  standing: Uint8Array;
  kept: Uint8Array;
  agent: Int32Array;
  seconds: Float64Array;
  /** Row by number; -1 where there is none. */
  row: Int32Array;
}

export const GHOST = -2;
const MICRO = 1e6;
const PLAIN = ["number", "parent", "second_parent", "status", "standing", "kept", "seconds"] as const;

/** Apply a delta: changed rows are replaced, new ones appended, the rest stays. */
export function applyDelta(forest: Forest, delta: Columns): Forest {
  if (delta.complete) return toForest(delta);
  const seq = Math.max(forest.seq, delta.seq);
  if (delta.number.length === 0) return { ...forest, seq };
  const whole = toColumns(forest);
  const agents = new Map(whole.agents.map((name, index) => [name, index]));
  delta.number.forEach((number, from) => {
    const known = forest.row[number] ?? -1;
    put(whole, delta, from, known >= 0 ? known : whole.number.length, agents);
  });
  return toForest({ ...whole, seq });
}

function put(whole: Columns, delta: Columns, from: number, to: number, agents: Map<string, number>): void {
  const name = delta.agents[delta.agent[from]];
  const agent = agents.get(name) ?? agents.size;
  if (!agents.has(name)) {
    agents.set(name, agent);
    whole.agents.push(name);
  }
  for (const key of PLAIN) whole[key][to] = delta[key][from];
  whole.score[to] = delta.score[from];
  whole.agent[to] = agent;
}

/** As the hub rounds: whole millionths, or six digits of what is smaller than a thousandth. */
const micro = (score: number): number => (Math.abs(score) < 1000 ? Number(score.toPrecision(6)) : Math.round(score));

function toColumns(forest: Forest): Columns {
  const distance = (row: number, index: number): number =>
    row >= 0 ? forest.number[index] - forest.number[row] : 0;
  return {
    ...forest,
    direction: forest.sign > 0 ? "min" : "max",
    epoch: new Date(forest.epoch).toISOString(),
    complete: true,
    agents: forest.agents.slice(),
    number: Array.from(forest.number),
    parent: Array.from(forest.parent, distance),
    second_parent: Array.from(forest.second, distance),
    score: Array.from(forest.score, (score) => (Number.isNaN(score) ? null : micro(score * MICRO))),
    status: Array.from(forest.status),
    standing: Array.from(forest.standing),
    kept: Array.from(forest.kept),
    agent: Array.from(forest.agent),
    seconds: Array.from(forest.seconds),
  };
}

/** Read the hub's whole tree. */
export function toForest(said: Columns): Forest {
  const number = Int32Array.from(said.number);
  const row = rowByNumber(number);
  const rowAt = (distance: number, index: number): number => {
    if (distance <= 0) return -1;
    const found = row[number[index] - distance] ?? -1;
    return found < 0 ? GHOST : found;
  };
  return {
    goal: said.goal,
    seq: said.seq,
    sign: said.direction === "max" ? -1 : 1,
    epoch: new Date(said.epoch).getTime(),
    statuses: said.statuses,
    standings: said.standings,
    agents: said.agents,
    size: number.length,
    number,
    parent: Int32Array.from(said.parent, rowAt),
    second: Int32Array.from(said.second_parent, rowAt),
    score: Float64Array.from(said.score, (score) => (score === null ? NaN : score / MICRO)),
    status: Uint8Array.from(said.status),
    standing: Uint8Array.from(said.standing),
    kept: Uint8Array.from(said.kept),
    agent: Int32Array.from(said.agent),
    seconds: Float64Array.from(said.seconds),
    row,
  };
}

function rowByNumber(number: Int32Array): Int32Array {
  const row = new Int32Array(number.length === 0 ? 0 : number[number.length - 1] + 1).fill(-1);
  for (let index = 0; index < number.length; index++) row[number[index]] = index;
  return row;
}

/** The row of a number, or -1. */
export const rowOf = (forest: Forest, number: number): number => forest.row[number] ?? -1;

/** The name of a row's status. */
export const statusOf = (forest: Forest, row: number): string => forest.statuses[forest.status[row]];

/** The name of a row's standing. */
export const standingOf = (forest: Forest, row: number): string => forest.standings[forest.standing[row]];

export interface Outcomes {
  kept: number;
  discarded: number;
  crashed: number;
}

/** How the experiments ended; those under way are in none of the three. */
export function outcomes(forest: Forest): Outcomes {
  const out = { kept: 0, discarded: 0, crashed: 0 };
  for (let row = 0; row < forest.size; row++) {
    if (forest.kept[row] === 1) out.kept += 1;
    else if (!Number.isNaN(forest.score[row])) out.discarded += 1;
    else if (statusOf(forest, row) !== "running") out.crashed += 1;
  }
  return out;
}
