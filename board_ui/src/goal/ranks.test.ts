import { expect, it } from "vitest";
import type { Ranked } from "../types.ts";
import { move, ordered, sorted, turned } from "./ranks.ts";

const row = (rank: number, delta: number | null, more: Partial<Ranked> = {}): Ranked =>
  ({ rank, delta, n_runs: 1, agent: "volta", device_class: "cpu", seconds: 1, created_at: "2026-11-21T12:00:00Z", ...more }) as Ranked;

it("says how a place moved, in a sign and in words", () => {
  expect(move({ rank: 2, rank_before: 5 })).toEqual({ sign: "▲3", word: "up 3 since a day ago", kind: "up" });
  expect(move({ rank: 2, rank_before: 1 }).kind).toBe("down");
  expect(move({ rank: 2, rank_before: 2 }).kind).toBe("same");
  expect(move({ rank: 2, rank_before: null }).kind).toBe("new");
});

it("puts the largest gain first whichever way the goal goes, and what is not known last", () => {
  const rows = [row(1, null), row(2, 0.5), row(3, -0.5)];
  expect(sorted(rows, "delta", "min").map((each) => each.rank)).toEqual([3, 2, 1]);
  expect(sorted(rows, "delta", "max").map((each) => each.rank)).toEqual([2, 3, 1]);
  expect(sorted(rows, "-delta", "min").map((each) => each.rank)).toEqual([2, 3, 1]);
});

it("turns the order round on a second click and says so", () => {
  expect(turned("rank", "runs")).toBe("runs");
  expect(turned("runs", "runs")).toBe("-runs");
  expect([ordered("runs", "runs"), ordered("-runs", "runs"), ordered("runs", "rank")]).toEqual(["descending", "ascending", "none"]);
  expect(ordered("rank", "rank")).toBe("ascending");
});
