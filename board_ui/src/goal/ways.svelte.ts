/** Which way each goal's metric is better, and its noise: lists that mix goals colour differences by it. */
import { SvelteMap } from "svelte/reactivity";
import { get } from "../api.ts";
import type { Direction } from "../format.ts";
import type { GoalCard } from "../types.ts";

export interface Way {
  direction: Direction;
  floor: number;
}

const known = new SvelteMap<string, Way>();
const asked = new Set<string>();

/** What is known of a goal by now; the first question sends for it, a failed one is asked again with the next page. */
export function wayOf(goal: string): Way | undefined {
  if (!asked.has(goal)) {
    asked.add(goal);
    get<GoalCard>(`/v1/goals/${encodeURIComponent(goal)}/card`).then(
      (card) => known.set(goal, { direction: card.direction, floor: card.noise_sd ?? 0 }),
      () => asked.delete(goal),
    );
  }
  return known.get(goal);
}
