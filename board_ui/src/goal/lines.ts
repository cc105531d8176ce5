/** The order of goals, in cards and in the long list. */
import type { GoalLine } from "../types.ts";

type Known = Pick<GoalLine, "name" | "created_at"> & { title: string; baseline?: number | null; best?: number | null; verified_best?: number | null; experiments: number; runs_today?: number; experiments_today?: number };

/** How far the best is from the baseline, whichever way is better; -1 where nothing is known. */
const far = (goal: Known): number => {
  const best = goal.verified_best ?? goal.best ?? null;
  return best === null || goal.baseline == null ? -1 : Math.abs(best - goal.baseline);
};
const today = (goal: Known): number => goal.runs_today ?? goal.experiments_today ?? 0;

const SORTS: Record<string, (a: Known, b: Known) => number> = {
  activity: (a, b) => today(b) - today(a) || b.experiments - a.experiments,
  newest: (a, b) => new Date(b.created_at).getTime() - new Date(a.created_at).getTime(),
  gain: (a, b) => far(b) - far(a),
};
export const ORDERS = Object.keys(SORTS);

/** Goals in an order, those that somebody watches first; names decide where nothing else does. */
export function inOrder<T extends Known>(goals: T[], by: string, watched: string[]): T[] {
  const order = SORTS[by] ?? SORTS.activity;
  const mine = (goal: T): number => (watched.includes(goal.name) ? 0 : 1);
  return goals.toSorted((a, b) => mine(a) - mine(b) || order(a, b) || (a.name < b.name ? -1 : 1));
}
