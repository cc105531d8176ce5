/** The cursor's arithmetic apart from any socket: what is new, what was seen, what to ask next. */

export interface LiveEvent {
  type: string;
  goal?: string | null;
  [field: string]: unknown;
}

export interface Envelope {
  seq: number;
  at: string;
  event: LiveEvent;
}

export class Follower {
  seq = -1;

  /** The new envelopes of one message; doubles after a reconnect fall out, the cursor moves. */
  take(text: string): Envelope[] {
    const said = JSON.parse(text) as Partial<Envelope> & { hello?: { seq: number; after: number } };
    if (said.hello) this.#greet(said.hello);
    if (typeof said.seq !== "number" || said.seq <= this.seq) return [];
    this.seq = said.seq;
    return typeof said.event?.type === "string" ? [said as Envelope] : [];
  }

  /** A hub restored from an older backup counts from further back than we do. */
  #greet(hello: { seq: number; after: number }): void {
    if (this.seq < 0) this.seq = hello.after;
    if (hello.seq < this.seq) this.seq = hello.seq;
  }
}
