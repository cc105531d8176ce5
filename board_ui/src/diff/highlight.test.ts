import { expect, it } from "vitest";
import { spans } from "./highlight.ts";

const told = (line: string, mark: [number, number] | null = null): string[] =>
  spans(line, mark).map(({ text, kind, marked }) => `${marked ? "!" : ""}${kind}:${text}`);

it("tells words, names, numbers, strings and comments of Python apart", () => {
  expect(told("def wide(x=1e-3):  # a string's \"start\"")).toEqual(["word:def", ": ", "title:wide", ":(x=", "number:1e-3", ":):  ", "comment:# a string's \"start\""]);
  expect(told(String.raw`log(f"a \" # {b}", r'\\', .5, x2, self.depth`)).toEqual([
    ":log(", String.raw`string:f"a \" # `, ":{b}", 'string:"', ":, ", String.raw`string:r'\\'`, ":, ", "number:.5", ":, x2, self.depth",
  ]);
});

it("keeps a comment's colour on both sides of the word that changed in it", () => {
  expect(told("x = 3  # was two", [13, 15])).toEqual([":x = ", "number:3", ":  ", "comment:# was ", "!comment:tw", "comment:o"]);
});

it("loses no character, whatever a line holds", () => {
  for (const line of ["", "'", '"""a"b', "\\\\\\'", "é = 'ü' # ☃", "x".repeat(600)]) {
    expect(spans(line, line.length > 2 ? [1, 2] : null).map((span) => span.text).join("")).toBe(line);
  }
});
