import { expect, it } from "vitest";
import { inOrder } from "./lines.ts";

const goal = (name: string, best: number | null, runs_today: number, day: number): Parameters<typeof inOrder>[0][number] =>
  ({ name, title: name, baseline: 1, best, experiments: 1, runs_today, created_at: `2026-11-${day}T00:00:00Z` });
const goals = [goal("a", 0.9, 1, 20), goal("b", null, 5, 19), goal("c", 1.5, 0, 21)];
const names = (by: string, watched: string[] = []): string => inOrder(goals, by, watched).map((each) => each.name).join("");

it("sorts by activity, age or gain in either direction, and puts watched goals first", () => {
  expect([names("activity"), names("newest"), names("gain")]).toEqual(["bac", "cab", "cab"]);
  expect(names("gain", ["b"])).toBe("bca");
  expect(names("no such order")).toBe("bac");
});
