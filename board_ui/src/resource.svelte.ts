/** Something fetched, in one of four states; old data stays on the screen when a refresh fails. */
import { Refused } from "./api.ts";

export class Resource<T> {
  data: T | undefined = $state.raw(undefined);
  error: Refused | undefined = $state.raw(undefined);
  loading = $state(false);
  #load: ((signal: AbortSignal) => Promise<T>) | undefined;
  #flight: AbortController | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;

  /** Fetch by `load` from now on. Forgets old data when this is about another thing. */
  async use(load: (signal: AbortSignal) => Promise<T>, keep = false): Promise<void> {
    this.#load = load;
    if (!keep) this.data = undefined;
    await this.reload();
  }

  /** Fetch again; an older flight is called off. */
  async reload(): Promise<void> {
    if (!this.#load) return;
    this.#flight?.abort();
    const flight = new AbortController();
    this.#flight = flight;
    this.loading = true;
    try {
      this.data = await this.#load(flight.signal);
      this.error = undefined;
    } catch (error) {
      if (!flight.signal.aborted) this.error = asRefused(error);
    } finally {
      if (this.#flight === flight) this.loading = false;
    }
  }

  /** Fetch again soon; many events within a second cost one request. */
  refreshSoon(delay = 700): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      void this.reload();
    }, delay);
  }

  /** Stop what is under way; for a page that goes away. */
  stop(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
    this.#flight?.abort();
  }
}

function asRefused(error: unknown): Refused {
  if (error instanceof Refused) return error;
  return new Refused(`This part of the page failed: ${String(error)}`, "bug", -1);
}
