import { expect, it } from "vitest";
import type { Envelope } from "../follower.ts";
import { chronicle } from "./chronicle.ts";

const at = (minute: number): string => `2026-11-21T12:${String(minute).padStart(2, "0")}:00Z`;
const changed = (seq: number, state: string, version: number, reason = ""): Envelope => ({ seq, at: at(seq), event: { type: "goal.changed", goal: "toy", state, version, reason } });

it("tells each version once, and pauses and resumptions between them", () => {
  const versions = [{ version: 2, by: "grace", reason: "too slow", created_at: at(4) }, { version: 1, by: "operator", reason: "opened", created_at: at(1) }];
  const events = [changed(5, "open", 2, "mended"), changed(4, "paused", 2, "too slow"), changed(3, "paused", 1, "a bug"), changed(1, "open", 1, "opened")];
  expect(chronicle(versions, events).map((entry) => [entry.what, entry.reason])).toEqual([
    ["resumed", "mended"], ["version 2", "too slow"], ["paused", "a bug"], ["opened", "with its first rules and files"],
  ]);
});

it("keeps the order of what happened at one moment", () => {
  const moment = at(1);
  const versions = [{ version: 2, by: "grace", reason: "b", created_at: moment }, { version: 1, by: "grace", reason: "a", created_at: moment }];
  const events = [changed(1, "open", 1), changed(2, "open", 2), changed(3, "paused", 2, "c"), changed(4, "open", 2, "d")].map((event) => ({ ...event, at: moment }));
  expect(chronicle(versions, events).map((entry) => entry.reason)).toEqual(["d", "c", "b", "a"]);
});
