import { expect, it } from "vitest";
import { toForest } from "../tree/columns.ts";
import { bent, clip, progress, wide } from "./progress.ts";

const zeros = [0, 0, 0];
const scored = (score: (number | null)[]) =>
  toForest({
    goal: "toy", seq: 1, direction: "min", epoch: "2026-11-21T12:00:00Z", complete: true, statuses: ["failed", "finished"], standings: ["none"],
    number: [0, 1, 2], parent: [-1, 1, 1], second_parent: zeros, score, status: [1, 1, 1], standing: zeros, kept: [1, 1, 0], agent: zeros, seconds: zeros, agents: ["volta"],
  });

it("offers logarithms where scores lie orders of magnitude apart, and nowhere else", () => {
  expect(wide(scored([4e6, 1e3, null]))).toBe(true);
  expect([[1.92e6, 1.86e6, null], [4e6, 0, 1], [4e6, -4e3, 1], [null, null, null]].map((each) => wide(scored(each)))).toEqual([false, false, false, false]);
});

it("draws the same rows by their logarithms", () => {
  const [plain, logs] = [scored([1e8, 1e4, null]), bent(scored([1e8, 1e4, null]))];
  expect({ ...progress(logs, "number"), stair: [], verified: [], baseline: 0, best: 0 }).toEqual({ ...progress(plain, "number"), stair: [], verified: [], baseline: 0, best: 0 });
  expect(progress(logs, "number").stair).toEqual([2, -2, -2]);
  expect(clip(logs, progress(logs, "number"), true).low).toBeCloseTo(-2.32);
});
