import { describe, expect, it } from "vitest";
import { bursts, echo } from "./events.ts";
import type { Envelope, LiveEvent } from "./follower.ts";

let seq = 1000;
const told = (event: LiveEvent): Envelope => ({ seq: seq--, at: "2026-11-21T12:00:00Z", event: { goal: "toy", ...event } });
const ended = (number: number, agent: string, kept = false): Envelope[] => [
  told({ type: "score.changed", sha: `${number}abcdef`, number, score: 1 + number / 100, kept, standing: "claimed" }),
  told({ type: "run.reported", sha: `${number}abcdef`, number, agent, kind: "explore", metric: 1.5, failure: null }),
  told({ type: "experiment.registered", sha: `${number}abcdef`, number, agent, title: "try" }),
];

describe("activity", () => {
  it("says what operators did in words", () => {
    const acted = (action: string, object: string) => bursts([told({ type: "operator.acted", operator: "grace", action, object, reason: "Because." })])[0].text;
    expect(acted("goal.create", "toy")).toBe("grace: open a goal (toy). Because.");
    expect(acted("experiment.hide", "0123456789".repeat(4))).toBe("grace: hide or show (0123456). Because.");
    expect(acted("goal.sing", "toy")).toContain("goal.sing");
  });

  it("tells the news of one experiment in one line, with the agent that ran it", () => {
    const lines = bursts(ended(3, "volta", true));
    expect(lines).toHaveLength(1);
    expect([lines[0].agent, lines[0].rest.length]).toEqual(["volta", 2]);
    expect(lines[0].text).toContain("#3 scores 1.03000, kept");
  });

  it("gathers what one agent discarded in a row, and never what was kept", () => {
    const lines = bursts([...ended(9, "volta"), ...ended(8, "volta"), ...ended(7, "volta"), ...ended(6, "volta", true), ...ended(5, "tesla")]);
    expect(lines.map((line) => [line.agent, line.text.split(",")[0]])).toEqual([
      ["volta", "3 discarded"], ["volta", "#6 scores 1.06000"], ["tesla", "#5 scores 1.05000"],
    ]);
    expect(lines[0].rest).toHaveLength(8);
    expect(lines[0].rest.map((each) => each.text).filter((text) => text.includes("scores"))).toHaveLength(2);
  });

  it("tells of every kept step on a line of its own", () => {
    expect(bursts([...ended(9, "volta", true), ...ended(8, "volta", true)])).toHaveLength(2);
  });

  it("keeps leases of different work apart and joins the two ends of one", () => {
    const lines = bursts([
      told({ type: "lease.ended", lease: "a", agent: "volta", state: "done" }),
      told({ type: "lease.claimed", lease: "b", agent: "tesla", kind: "explore", why: "." }),
      told({ type: "lease.claimed", lease: "a", agent: "volta", kind: "explore", why: "." }),
    ]);
    expect(lines.map((line) => line.rest.length)).toEqual([1, 0]);
  });

  it("knows the hub's own posts of results as echoes, and no other post", () => {
    expect(echo({ type: "post.written", channel: "results" })).toBe(true);
    expect(echo({ type: "post.written", channel: "insights" })).toBe(false);
    expect(echo({ type: "run.reported", channel: "results" })).toBe(false);
  });

  it("loses no event", () => {
    const all = [...ended(4, "volta"), ...ended(3, "volta"), told({ type: "post.written", author: "ada", channel: "x", topic: "y", line: "z" }), told({ type: "new.kind" })];
    expect(bursts(all).reduce((sum, line) => sum + 1 + line.rest.length, 0)).toBe(all.length);
  });
});
