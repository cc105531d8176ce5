/** Python's colours and the changed words of one line. A string that began on a line above is not known here. */
const KEYWORDS = "False None True and as assert async await break case class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield";
const BUILTINS = "abs all any bool bytes dict enumerate filter float getattr hasattr int isinstance iter len list map max min next object open print property range repr reversed round set setattr sorted str sum super tuple type zip";
const WORDS = new Set(`${KEYWORDS} ${BUILTINS}`.split(" "));
const TOKENS = /(?<comment>#.*)|(?<string>(?<!\w)[bfru]{0,2}("""|'''|"|').*?(?:(?<!\\)(?:\\\\)*\3|$))|(?<number>(?<![\w.])(?:0[box][\da-f_]+|(?:\d[\d_]*\.?|\.\d)[\d_]*(?:e[+-]?\d+)?)j?)|(?<=\b(?:def|class)\s+)(?<title>\w+)|(?<![\w.])(?<word>[a-z]+)(?!\w)/gi;

export interface Span {
  text: string;
  kind: string;
  marked: boolean;
}

/** A line as coloured spans, cut where the changed part begins and ends; a very long one stays plain. */
export function spans(line: string, mark: [number, number] | null): Span[] {
  const cuts = new Set([0, line.length, ...(mark ?? [])]);
  const kinds: [from: number, to: number, kind: string][] = [];
  for (const { index, 0: text, groups } of line.length > 500 ? [] : line.matchAll(TOKENS)) {
    const kind = Object.keys(groups ?? {}).find((name) => groups?.[name] !== undefined) ?? "";
    if (kind === "word" && !WORDS.has(text)) continue;
    kinds.push([index, index + text.length, kind]);
    cuts.add(index).add(index + text.length);
  }
  const edges = [...cuts].filter((at) => at <= line.length).sort((a, b) => a - b);
  return edges.slice(1).map((to, at) => ({
    text: line.slice(edges[at], to),
    kind: kinds.find(([begin, end]) => begin <= edges[at] && to <= end)?.[2] ?? "",
    marked: mark !== null && mark[0] <= edges[at] && to <= mark[1],
  }));
}
