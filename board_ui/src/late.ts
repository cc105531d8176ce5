/** Code that comes after the page, asked for again while the hub or the way to it is down. */
import { live } from "./live.svelte.ts";

const TRIES = 4;

/** What an import gives. Rejects only where a hub at work does not have it: it was upgraded since. */
export async function late<T>(load: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await load();
    } catch (error) {
      if (tries >= TRIES && live.state !== "offline") throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.min(15_000, 250 * 2 ** tries)));
    }
  }
}
