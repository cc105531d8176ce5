/** A binary heap of numbers by a cost; the least cost comes out first. */
export class Heap {
  #items: number[] = [];
  readonly #cost: (item: number) => number;

  constructor(cost: (item: number) => number) {
    this.#cost = cost;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (this.#cost(items[up]) <= this.#cost(item)) break;
      items[at] = items[up];
      at = up;
    }
    items[at] = item;
  }

  pop(): number | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (items.length > 0 && last !== undefined) this.#sink(last);
    return first;
  }

  #sink(item: number): void {
    const items = this.#items;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= items.length) break;
      if (down + 1 < items.length && this.#cost(items[down + 1]) < this.#cost(items[down])) down += 1;
      if (this.#cost(items[down]) >= this.#cost(item)) break;
      items[at] = items[down];
      at = down;
    }
    items[at] = item;
  }
}
