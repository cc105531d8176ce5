/** A goal's versions and the events of its state as one list, newest first. */
import type { Envelope } from "../follower.ts";
import type { GoalVersion } from "../types.ts";

export interface Entry {
  key: string;
  what: string;
  reason: string;
  by: string;
  at: string;
  /** The version that came about; 0 where only the state changed. */
  version: number;
}

/** Each version once, and each change between open, paused and closed. */
export function chronicle(versions: GoalVersion[], events: Envelope[]): Entry[] {
  const place = new Map<string, number>();
  const turned: Entry[] = [];
  let [state, number] = ["", 0];
  for (const { seq, at, event } of events.toSorted((a, b) => a.seq - b.seq)) {
    const [now, version] = [String(event.state ?? ""), Number(event.version ?? 0)];
    const key = version === number ? `e${seq}` : `v${version}`;
    // An event with a new version is that version's; one with the old version changed the state.
    if (version === number && now !== state) turned.push({ key, what: now === "open" ? "resumed" : now, reason: String(event.reason ?? ""), by: "", at, version: 0 });
    place.set(key, seq);
    [state, number] = [now, version];
  }
  const made = versions.map(({ version, reason, by, created_at }): Entry => {
    const first = version === 1;
    return { key: `v${version}`, what: first ? "opened" : `version ${version}`, reason: first && reason === "opened" ? "with its first rules and files" : reason, by, at: created_at, version };
  });
  const when = (entry: Entry): number => new Date(entry.at).getTime();
  const order = (entry: Entry): number => place.get(entry.key) ?? 0;
  return [...made, ...turned].sort((a, b) => when(b) - when(a) || order(b) - order(a));
}
