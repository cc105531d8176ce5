import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { begun, completed } from "./word.ts";

describe("the word under the caret", () => {
  it.each([
    ["see #1a2", 8, "experiment", "#1a2"],
    ["@vol", 4, "agent", "@vol"],
    ["(#warm", 6, "experiment", "#warm"],
    ["#12 and more", 3, "experiment", "#12"],
    ["#größe", 6, "experiment", "#größe"],
  ])("in %j is found", (text, caret, kind, word) => {
    expect(begun(text, caret)).toMatchObject({ kind, text: word });
  });

  it.each(["#", "a#12", "mail@host", "# heading", "plain", "#12 "])("in %j is none", (text) => {
    expect(begun(text, text.length)).toBeNull();
  });

  it("is replaced, and everything around it stays", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, after) => {
        const text = `${before} #wa`;
        const word = begun(text, text.length);
        if (!word) throw new Error("a word was begun");
        const done = completed(text + after, word, "#1a2b3c4");
        expect(done.text.startsWith(`${before} #1a2b3c4 `)).toBe(true);
        expect(done.text.endsWith(after)).toBe(true);
        expect(done.text.slice(0, done.caret)).toBe(`${before} #1a2b3c4 `);
      }),
    );
  });
});
