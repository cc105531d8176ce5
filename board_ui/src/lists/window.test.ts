import fc from "fast-check";
import { expect, it } from "vitest";
import { slice } from "./window.ts";

it("holds every row that is on the screen, and heights that add up", () => {
  fc.assert(
    fc.property(fc.nat({ max: 5000 }), fc.nat({ max: 200_000 }), (total, top) => {
      const [row, height] = [34, 400];
      const shown = slice(total, row, top, height);
      expect(shown.above + shown.below + (shown.to - shown.from) * row).toBe(total * row);
      const at = Math.min(top, Math.max(0, total * row - height));
      for (let y = at; y < Math.min(at + height, total * row); y += row) {
        expect(Math.floor(y / row)).toBeGreaterThanOrEqual(shown.from);
        expect(Math.floor(y / row)).toBeLessThan(shown.to);
      }
    }),
  );
});

it("never makes more rows than a screen and a bit", () => {
  const shown = slice(1_000_000, 34, 17_000_000, 400);
  expect(shown.to - shown.from).toBeLessThan(40);
});
