import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lines } from "./drawing.ts";
import { ticks, toSvg, type Picture } from "./svg.ts";

const side = { low: 0, high: 10, label: "x", write: String };
const picture = (layers: Picture["layers"], title = "plot"): Picture => ({ title, x: side, y: side, layers, ink: "black", soft: "grey", line: "silver", paper: "white" });

describe("a plot as SVG", () => {
  it("holds no element that its words would have made", () => {
    fc.assert(
      fc.property(fc.string(), (words) => {
        const text = toSvg(picture([{ kind: "words", colour: "black", x: [1], y: [1], words: [words + "<script>alert(1)</script>"] }], words));
        expect(text).not.toContain("<script");
        expect(text.match(/<text /g)?.length).toBe(toSvg(picture([{ kind: "words", colour: "black", x: [1], y: [1], words: [""] }])).match(/<text /g)?.length);
      }),
    );
  });

  it("draws one dot for many in the same place", () => {
    const text = toSvg(picture([{ kind: "dots", colour: "black", x: [1, 1, 2], y: [1, 1, 1] }]));
    expect(text.match(/<circle /g)).toHaveLength(2);
  });

  it("steps, and leaves gaps where nothing was known", () => {
    const text = toSvg(picture([{ kind: "stair", colour: "black", x: [0, 1, 2, 3], y: [null, 5, 5, 4] }]));
    expect(text.match(/<path d="M[\d. ]+H[\d.]+V[\d.]+" fill="none"/)).toHaveLength(1);
  });

  it("draws curves over each other, and a logarithm only where there is one", () => {
    const text = lines({ x: [1, 2, 3], series: [{ y: [4, 0, 2], colour: "red" }, { y: [3, null, 1], colour: "blue" }], ink: String, title: "loss", label: "step", log: true });
    expect(text.match(/stroke="(red|blue)" stroke-width="2"/g)).toHaveLength(2);
    expect(text).not.toContain("NaN");
    expect(text).not.toContain("Infinity");
  });

  it("has round ticks inside its range", () => {
    expect(ticks(0, 10)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(ticks(5, 5)).toEqual([5]);
  });
});
