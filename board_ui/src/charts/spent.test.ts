import { expect, it } from "vitest";
import { toForest } from "../tree/columns.ts";
import { progress } from "./progress.ts";
import { firstDevice, ranOn, usedSoFar } from "./spent.ts";

const zeros = [0, 0, 0];
const forest = toForest({
  goal: "toy", seq: 1, direction: "min", epoch: "2026-11-21T12:00:00Z", complete: true, statuses: ["running", "finished"], standings: ["none"],
  number: [0, 1, 3], parent: [0, 1, 2], second_parent: zeros, score: [3e6, 2e6, 1e6], status: [1, 1, 1], standing: zeros, kept: [1, 1, 1], agent: zeros, seconds: zeros, agents: ["volta"],
});
const effort = { number: [0, 1, 1, 3], seconds: [3600, 3600, 7200, 1800], tokens: [0.5, 0.25, 0.25, 1], device: [0, 0, 1, 1], classes: ["A", "B"] };

it("counts device hours and tokens until each experiment, all runs of it included", () => {
  expect(Array.from(usedSoFar(forest, effort, "hours"))).toEqual([1, 4, 4.5]);
  expect(Array.from(usedSoFar(forest, effort, "tokens"))).toEqual([0.5, 1, 2]);
});

it("shows one class of device as if there were no other", () => {
  const data = progress(forest, "hours", { used: usedSoFar(forest, effort, "hours"), only: ranOn(forest, effort, "B") });
  expect(data.kept).toEqual([1, 2]);
  expect(data.stair).toEqual([null, 2, 1]);
});

it("knows what each experiment ran on first", () => {
  expect(Array.from(firstDevice(forest, { ...effort, number: [0, 1, 1, 7], device: [1, 0, 1, 0] }))).toEqual([1, 0, -1]);
});
