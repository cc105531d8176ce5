/** What a few letters may mean: asked for while somebody types, chosen by arrows, Enter or a click. */
import { get } from "../api.ts";
import type { Suggestion, Suggestions } from "../types.ts";

const PAUSE = 70;

export class Suggester {
  items: Suggestion[] = $state.raw([]);
  at = $state(-1);
  #flight: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Ask soon; a later word calls the earlier question off. */
  ask(text: string, kinds: string[] = []): void {
    clearTimeout(this.#timer);
    if (text.trim().length < 2) {
      this.close();
      return;
    }
    this.#timer = setTimeout(() => void this.#fetch(text, kinds), PAUSE);
  }

  async #fetch(text: string, kinds: string[]): Promise<void> {
    this.#flight?.abort();
    const flight = new AbortController();
    this.#flight = flight;
    const asked = new URLSearchParams([["q", text.slice(0, 100)], ...kinds.map((kind) => ["kind", kind])]);
    const said = await get<Suggestions>(`/v1/suggest?${asked}`, flight.signal).catch(() => undefined);
    if (flight.signal.aborted || !said) return;
    this.items = said.suggestions as Suggestion[];
    this.at = -1;
  }

  /** Show nothing, and forget what is on its way. */
  close(): void {
    clearTimeout(this.#timer);
    this.#flight?.abort();
    this.items = [];
    this.at = -1;
  }

  /** Arrows move, Escape closes, Enter or Tab chooses; says whether the key was for the list. */
  key(event: KeyboardEvent, choose: (chosen: Suggestion) => void, first = false): boolean {
    if (this.items.length === 0) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) this.at = (this.at + step + this.items.length) % this.items.length;
    else if (event.key === "Escape") this.close();
    else if (event.key === "Enter" || event.key === "Tab") {
      const chosen = this.items[this.at < 0 && first ? 0 : this.at];
      if (!chosen) return false;
      choose(chosen);
      this.close();
    } else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }
}
