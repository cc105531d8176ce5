/** What was just done can be taken back for half a minute, with one key. */
import { Refused, send } from "../api.ts";
import type { Acted } from "./types.ts";

export const SECONDS = 30;

export const last = $state({ said: undefined as Acted | undefined, left: 0, error: "" });
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** Offer to take an action back. */
export function offer(said: Acted): void {
  clearInterval(timer);
  last.error = "";
  last.said = said.undoable ? said : undefined;
  last.left = SECONDS;
  if (!said.undoable) return;
  timer = setInterval(() => {
    last.left -= 1;
    if (last.left <= 0) drop();
  }, 1000);
}

/** Offer no more. */
export function drop(): void {
  clearInterval(timer);
  last.said = undefined;
  last.left = 0;
}

/** Take it back. */
export async function undo(): Promise<void> {
  const { said } = last;
  if (!said) return;
  try {
    await send("POST", "/v1/ops/actions", { action: "action.undo", seq: said.seq, reason: "taken back at once" });
    drop();
    for (const listener of listeners) listener();
  } catch (refused) {
    last.error = refused instanceof Refused ? refused.message : String(refused);
  }
}

/** Hear when something was taken back; returns how to stop. */
export function onUndo(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
