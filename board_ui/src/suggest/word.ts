/** The word under the caret, when it is one that can be completed: `#1a2`, `#warm`, `@vol`. */

export interface Begun {
  kind: "experiment" | "agent";
  /** What was typed, its sign included. */
  text: string;
  /** Where it begins in the text. */
  at: number;
}

const BEGUN = /(?:^|[\s(])([#@][\p{L}\p{N}_.-]{1,40})$/u;

/** What is being typed just before the caret, if it names an experiment or an agent. */
export function begun(text: string, caret: number): Begun | null {
  const found = BEGUN.exec(text.slice(0, caret));
  if (!found) return null;
  const word = found[1];
  return { kind: word.startsWith("#") ? "experiment" : "agent", text: word, at: caret - word.length };
}

/** The text with the begun word replaced, and where the caret stands then. */
export function completed(text: string, word: Begun, insert: string): { text: string; caret: number } {
  const rest = text.slice(word.at + word.text.length);
  const gap = rest.startsWith(" ") ? "" : " ";
  return { text: text.slice(0, word.at) + insert + gap + rest, caret: word.at + insert.length + 1 };
}
