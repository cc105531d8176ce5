/** Python colours without HTML strings: highlight.js parses, and its token tree becomes spans. */
import hljs from "highlight.js/lib/core";
import python from "highlight.js/lib/languages/python";

hljs.registerLanguage("python", python);

export interface Span {
  text: string;
  kind: string;
}

interface Node {
  scope?: string;
  children: (Node | string)[];
}

/** A line as coloured spans; a very long one stays plain. */
export function spans(line: string): Span[] {
  if (line.length > 500) return [{ text: line, kind: "" }];
  const { _emitter } = hljs.highlight(line, { language: "python", ignoreIllegals: true }) as unknown as {
    _emitter: { rootNode: Node };
  };
  return flatten(_emitter.rootNode, "");
}

function flatten(node: Node, inherited: string): Span[] {
  const kind = node.scope?.split(".")[0] ?? inherited;
  return node.children.flatMap((child) => (typeof child === "string" ? [{ text: child, kind }] : flatten(child, kind)));
}
