import fc from "fast-check";
import { expect, it } from "vitest";
import { weeks } from "./calendar.ts";

it("ends today, in the row of its weekday, with every day once", () => {
  fc.assert(
    fc.property(fc.date({ min: new Date("2020-01-01"), max: new Date("2040-01-01"), noInvalidDate: true }), (today) => {
      const { cells } = weeks([], today);
      expect(cells.at(-1)?.day).toBe(today.toISOString().slice(0, 10));
      expect(cells.at(-1)?.y).toBe((today.getUTCDay() + 6) % 7);
      expect(new Set(cells.map((cell) => cell.day)).size).toBe(cells.length);
      expect(new Set(cells.map((cell) => `${cell.x},${cell.y}`)).size).toBe(cells.length);
    }),
  );
});

it("is darkest on the busiest day and empty where nothing was done", () => {
  const days = [{ day: "2026-11-20", runs: 8, failures: 1 }, { day: "2026-11-21", runs: 1, failures: 0 }];
  const level = new Map(weeks(days, new Date("2026-11-21T12:00:00Z")).cells.map((cell) => [cell.day, cell.level]));
  expect([level.get("2026-11-20"), level.get("2026-11-21"), level.get("2026-11-19")]).toEqual([4, 1, 0]);
});
