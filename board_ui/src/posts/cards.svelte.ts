/** What posts say of experiments, kept in memory: each is asked for once, and again when it changes. */
import { get } from "../api.ts";
import { hear } from "../live.svelte.ts";
import type { Experiment } from "../types.ts";

const MOST = 400;
let known: Map<string, Experiment> = $state.raw(new Map());
const asked = new Set<string>();

hear(({ event }) => {
  const sha = event.type === "score.changed" || event.type === "run.reported" ? event.sha : undefined;
  if (typeof sha === "string" && known.has(sha)) void ask(sha);
});

async function ask(sha: string): Promise<void> {
  const one = await get<Experiment>(`/v1/experiments/${sha}`).catch(() => undefined);
  if (!one) return;
  known = new Map([...[...known].slice(-MOST), [sha, one]]);
}

/** The experiment of a full sha, once it is there. */
export function card(sha: string): Experiment | undefined {
  return known.get(sha);
}

/** Make sure that an experiment will be there soon. */
export function want(sha: string): void {
  if (asked.has(sha)) return;
  if (asked.size > MOST) asked.clear();
  asked.add(sha);
  void ask(sha);
}
