import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toForest, type Columns } from "./columns.ts";
import { histogram } from "./histogram.ts";
import { prune, ringed } from "./prune.ts";
import { summarise } from "./summary.ts";

const EPOCH = "2026-11-21T12:00:00Z";
function forestOf(parents: number[], more: Partial<Columns> = {}): ReturnType<typeof toForest> {
  const zeros = parents.map(() => 0);
  return toForest({
    goal: "toy", seq: 1, direction: "min", epoch: EPOCH, complete: true, statuses: ["running", "finished"], standings: ["none"],
    number: parents.map((_, at) => at), parent: parents.map((parent, at) => (parent < 0 ? 0 : at - parent)), second_parent: zeros,
    score: parents.map((_, at) => at * 1e6), status: parents.map(() => 1), standing: zeros, kept: zeros, agent: zeros, seconds: zeros, agents: ["volta", "tesla"], ...more,
  });
}
const parents = fc.array(fc.nat(), { minLength: 1, maxLength: 200 }).map((seeds) => seeds.map((seed, at) => (at === 0 ? -1 : seed % at)));

describe("hiding", () => {
  it("takes a subtree away as a whole and leaves every other row as it was", () => {
    fc.assert(
      fc.property(parents, fc.nat(), (above, pick) => {
        const forest = forestOf(above);
        const top = pick % forest.size;
        const left = prune(forest, [top]);
        expect(left.size).toBe(forest.size - summarise(forest).size[top]);
        for (let row = 0; row < left.size; row++) {
          const before = forest.row[left.number[row]];
          const parent = left.parent[row] < 0 ? left.parent[row] : left.number[left.parent[row]];
          expect(parent).toBe(forest.parent[before] < 0 ? forest.parent[before] : forest.number[forest.parent[before]]);
          expect([left.score[row], left.row[left.number[row]]]).toEqual([forest.score[before], row]);
        }
      }),
    );
  });

  it("gives the same forest back where nothing is hidden", () => {
    const forest = forestOf([-1, 0, 0]);
    expect(prune(forest, [])).toBe(forest);
    expect(prune(forest, [99])).toBe(forest);
  });
});

describe("rings", () => {
  const forest = forestOf([-1, 0, 0, 1], { agent: [0, 1, 0, 1], seconds: [0, 3000, 6000, 90_000] });
  const now = new Date(EPOCH).getTime() + 90_060_000;

  it("go around the last hour, the last day, or one agent", () => {
    expect(ringed(forest, "hour", now)).toEqual([3]);
    expect(ringed(forest, "day", now)).toEqual([2, 3]);
    expect(ringed(forest, "@tesla", now)).toEqual([1, 3]);
    expect([ringed(forest, "", now), ringed(forest, "@nobody", now)]).toEqual([[], []]);
  });
});

describe("histogram", () => {
  it("counts every score once", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.double({ min: -5, max: 5, noNaN: true }), fc.constant(NaN)), { minLength: 1, maxLength: 300 }), fc.constantFrom(1, -1), (scores, sign) => {
        const found = histogram(scores, sign);
        const known = scores.filter((score) => !Number.isNaN(score)).length;
        expect(found === null).toBe(known === 0);
        if (found === null) return;
        expect(found.bars.reduce((sum, bar) => sum + bar, 0) + found.beyond).toBe(known);
        expect(found.unscored).toBe(scores.length - known);
      }),
    );
  });

  it("counts the worst fiftieth apart, so that one wild score leaves the others their shape", () => {
    const found = histogram([...Array.from({ length: 99 }, (_, at) => 1 + at / 100), 1000], 1);
    expect(found?.high).toBeLessThan(2);
    expect(found?.beyond).toBe(2);
    expect(found?.bars.reduce((sum, bar) => sum + bar, 0)).toBe(98);
  });

  it("begins at the best, whichever way the goal goes", () => {
    expect(histogram([1, 2, 3], 1)?.low).toBe(1);
    expect(histogram([1, 2, 3], -1)?.low).toBe(3);
  });
});
