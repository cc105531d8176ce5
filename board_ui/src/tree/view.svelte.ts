/** A goal's tree as the page holds it: fetched once, then kept up to date by deltas. */
import { get } from "../api.ts";
import { hear } from "../live.svelte.ts";
import { Resource } from "../resource.svelte.ts";
import { applyDelta, toForest, type Columns, type Forest } from "./columns.ts";
import { summarise, type Summary } from "./summary.ts";

export interface Grown {
  forest: Forest;
  summary: Summary;
}

const grown = (forest: Forest): Grown => ({ forest, summary: summarise(forest) });

/** The tree of one goal; a delta at most once a second, and none while nothing changes. */
export function treeOf(goal: string): { tree: Resource<Grown>; stop: () => void } {
  const tree = new Resource<Grown>();
  const path = `/v1/goals/${goal}/tree`;
  void tree.use(async (signal) => {
    const known = tree.data;
    if (!known) return grown(toForest(await get<Columns>(path, signal)));
    const delta = await get<Columns>(`${path}?after=${known.forest.seq}`, signal);
    const same = !delta.complete && delta.number.length === 0;
    return same ? known : grown(applyDelta(known.forest, delta));
  });
  const deaf = hear(({ event }) => {
    // What operators do to owners, flags or posts names no goal and may hide experiments of any.
    const anywhere = event.type === "operator.acted" && !event.goal;
    if (event.goal === goal || anywhere) tree.refreshSoon(1000);
  });
  return {
    tree,
    stop: () => {
      deaf();
      tree.stop();
    },
  };
}
