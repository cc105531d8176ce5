/** Labels of experiments, fetched only for what is on the screen and remembered. */
import { get } from "../api.ts";
import type { Title } from "../types.ts";

export class Titles {
  known: Map<number, Title> = $state.raw(new Map());
  readonly #goal: string;
  #asked = new Set<number>();

  constructor(goal: string) {
    this.#goal = goal;
  }

  /** Make sure that these numbers will have labels soon. */
  async want(numbers: number[]): Promise<void> {
    const missing = numbers.filter((number) => !this.#asked.has(number));
    for (const number of missing) this.#asked.add(number);
    for (let from = 0; from < missing.length; from += 200) {
      const part = missing.slice(from, from + 200);
      const titles = await get<Title[]>(`/v1/goals/${this.#goal}/titles?numbers=${part.join(",")}`).catch(() => []);
      if (titles.length === 0) for (const number of part) this.#asked.delete(number);
      this.known = new Map([...this.known, ...titles.map((title): [number, Title] => [title.number, title])]);
    }
  }
}
