import fc from "fast-check";
import { expect, it } from "vitest";
import { excerpt } from "./excerpt.ts";

it("holds the first searched word, however late it comes", () => {
  const text = `${"filler ".repeat(100)}needle ${"filler ".repeat(100)}`;

  expect(excerpt(text, ["needle"])).toContain("needle");
  expect(excerpt(text, ["needle"]).startsWith("… ")).toBe(true);
  expect(excerpt("short", ["needle"])).toBe("short");
});

it("is never much longer than asked for", () => {
  fc.assert(fc.property(fc.string(), fc.array(fc.string()), (text, words) => excerpt(text, words, 50).length <= 54));
});
