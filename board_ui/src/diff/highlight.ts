/** Python's colours and the changed words of one line: Prism's tokens, never HTML. */
import type { TokenStream } from "prismjs";
import Prism from "./prism.ts";
import "prismjs/components/prism-python";

const KINDS: Record<string, string> = {
  keyword: "word", builtin: "word", boolean: "word", number: "number", comment: "comment",
  string: "string", "triple-quoted-string": "string", "string-interpolation": "string", interpolation: "",
  function: "title", "class-name": "title",
};

export interface Span {
  text: string;
  kind: string;
  marked: boolean;
}

/** A line as coloured spans, cut where the changed part begins and ends; a very long one stays plain. */
export function spans(line: string, mark: [number, number] | null): Span[] {
  const found: Span[] = [];
  const add = (text: string, kind: string, marked: boolean): void => {
    const last = found.at(-1);
    if (last?.kind === kind && last.marked === marked) last.text += text;
    else if (text) found.push({ text, kind, marked });
  };
  let at = 0;
  for (const [text, kind] of line.length > 500 ? [[line, ""]] : pieces(Prism.tokenize(line, Prism.languages.python), "")) {
    const [from, to] = (mark ?? [0, 0]).map((edge) => Math.max(edge - at, 0));
    add(text.slice(0, from), kind, false);
    add(text.slice(from, to), kind, true);
    add(text.slice(to), kind, false);
    at += text.length;
  }
  return found;
}

function pieces(tokens: TokenStream, kind: string): [text: string, kind: string][] {
  if (typeof tokens === "string") return [[tokens, kind]];
  return Array.isArray(tokens)
    ? tokens.flatMap((each) => pieces(each, kind))
    : pieces(tokens.content, KINDS[tokens.type] ?? kind);
}
