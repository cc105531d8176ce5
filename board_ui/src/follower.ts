/** The cursor's arithmetic apart from any socket: what is new, what was seen, what to ask next. */
import type { Envelope } from "./live.svelte.ts";

export class Follower {
  seq = -1;

  /** The new envelopes of one message; doubles after a reconnect fall out, the cursor moves. */
  take(text: string): Envelope[] {
    const said = JSON.parse(text) as unknown;
    const batch = Array.isArray(said) ? (said as unknown[]) : [said];
    return batch.filter((item): item is Envelope => this.#isNew(item));
  }

  #isNew(item: unknown): boolean {
    const seq = (item as { seq?: unknown } | null)?.seq;
    if (typeof seq !== "number" || seq <= this.seq) return false;
    this.seq = seq;
    return typeof (item as Envelope).event?.type === "string";
  }
}
