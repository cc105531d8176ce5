import fc from "fast-check";
import { expect, it } from "vitest";
import { smoothed } from "./smooth.ts";

it("begins at the first point and stays within what was measured", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 }), (values) => {
      const out = smoothed(values) as number[];
      const slack = 1e-6;
      expect(out[0]).toBeCloseTo(values[0], 3);
      for (const value of out) {
        expect(value).toBeGreaterThanOrEqual(Math.min(...values) - slack);
        expect(value).toBeLessThanOrEqual(Math.max(...values) + slack);
      }
    }),
  );
});

it("leaves gaps where nothing was measured", () => {
  expect(smoothed([1, null, 1])).toEqual([1, null, 1]);
});
