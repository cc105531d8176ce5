/** A long list that the hub hands out in pages: the first at once, more as somebody scrolls. */
import { untrack } from "svelte";
import { get, query } from "../api.ts";
import { Resource } from "../resource.svelte.ts";

interface Page {
  next_cursor?: string | null;
}

export interface Gathered<Row, Said> {
  rows: Row[];
  /** The page that came last, for what it says beside its rows. */
  page: Said;
}

const MOST = 1000;

export class Paged<Row, Said extends Page> {
  readonly from = new Resource<Gathered<Row, Said>>();
  #path = "";
  #fetching = false;
  readonly #rows: (page: Said) => Row[];
  readonly #size: number;

  constructor(rows: (page: Said) => Row[], size = 100) {
    this.#rows = rows;
    this.#size = size;
  }

  /** Show the list at an address from now on. */
  use(path: string): void {
    this.#path = path;
    // Loading reads what is on the screen: tracked, each answer would ask again.
    untrack(() => void this.from.use((signal) => this.#gather(path, signal), true));
  }

  /** The next page, if there is one; called as the end comes near. */
  async more(): Promise<void> {
    const known = this.from.data;
    if (this.#fetching || !known?.page.next_cursor) return;
    this.#fetching = true;
    try {
      const page = await this.#ask(this.#path, known.page.next_cursor);
      if (this.from.data === known) this.from.data = { rows: [...known.rows, ...this.#rows(page)], page };
    } catch {
      this.from.refreshSoon(); // a cursor that has gone: the list begins again
    } finally {
      this.#fetching = false;
    }
  }

  /** As many rows as were on the screen: news must not throw a reader back to the top. */
  async #gather(path: string, signal: AbortSignal): Promise<Gathered<Row, Said>> {
    const wanted = this.from.data?.rows.length ?? 0;
    let page = await this.#ask(path, null, signal);
    let rows = this.#rows(page);
    while (page.next_cursor && rows.length < Math.min(MOST, wanted)) {
      page = await this.#ask(path, page.next_cursor, signal);
      rows = [...rows, ...this.#rows(page)];
    }
    return { rows, page };
  }

  #ask(path: string, cursor: string | null, signal?: AbortSignal): Promise<Said> {
    const more = query({ limit: this.#size, cursor });
    return get<Said>(path.includes("?") ? `${path}&${more.slice(1)}` : path + more, signal);
  }
}
