/** `j` and `k` through a page's rows: the focus moves, `Enter` follows the link as always. */
import type { Shortcut } from "./keys.svelte.ts";

export function stepper(rows: () => Iterable<HTMLElement>): Shortcut[] {
  const step = (by: number): void => {
    const all = Array.from(rows());
    const at = all.indexOf(document.activeElement as HTMLElement);
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + by));
    all[next]?.focus();
  };
  return [
    { keys: "j", what: "Next row", run: () => step(1) },
    { keys: "k", what: "Previous row", run: () => step(-1) },
  ];
}
