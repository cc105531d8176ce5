/** Single-key shortcuts: off while typing, off by choice (WCAG 2.1.4), all listed on the `?` sheet. */
import { untrack } from "svelte";
import { prefs } from "./prefs.svelte.ts";

export interface Shortcut {
  keys: string;
  what: string;
  run: () => void;
}

interface Group {
  name: string;
  shortcuts: Shortcut[];
}

let known = $state.raw<Group[]>([]);
let pending = "";
let timer: ReturnType<typeof setTimeout> | undefined;

/** Add a group of shortcuts while a page or panel is on the screen; returns how to take it away. */
export function shortcuts(name: string, list: Shortcut[]): () => void {
  const group = { name, shortcuts: list };
  // Called from effects: reading the list there must not make them run again.
  untrack(() => (known = [...known, group]));
  return () => untrack(() => (known = known.filter((other) => other !== group)));
}

/** Everything that can be pressed here, for the sheet. */
export const sheet = (): Group[] => known;

/** Handle one key: the newest group that knows it wins, `g` waits for its second key. */
export function press(event: KeyboardEvent): void {
  if (!prefs.shortcuts || event.metaKey || event.ctrlKey || event.altKey || typing(event) || covered(event)) return;
  if (event.key.length > 1 && event.key !== "Escape") return;
  const name = event.key === "Escape" ? "Esc" : event.key;
  const found = find(pending ? `${pending} ${name}` : name);
  if (found) {
    event.preventDefault();
    wait("");
    found.run();
  } else wait(isPrefix(name) ? name : "");
}

function find(keys: string): Shortcut | undefined {
  for (const group of known.toReversed()) {
    const found = group.shortcuts.find((shortcut) => shortcut.keys === keys);
    if (found) return found;
  }
  return undefined;
}

const isPrefix = (key: string): boolean =>
  known.some((group) => group.shortcuts.some((shortcut) => shortcut.keys.startsWith(`${key} `)));

function wait(key: string): void {
  pending = key;
  clearTimeout(timer);
  if (key) timer = setTimeout(() => (pending = ""), 1500);
}

function typing(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  if (event.key === "Escape") return false;
  return !!target?.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
}

/** A page that lies under a dialog is out of reach; the sheet of keys closes by its own. */
function covered(event: KeyboardEvent): boolean {
  return event.key !== "?" && document.querySelector("dialog:modal") !== null;
}
