import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyDelta, GHOST, outcomes, rowOf, toForest, type Columns } from "./columns.ts";
import { focus, topRows } from "./focus.ts";
import { layoutAll, layoutFocus } from "./layout.ts";
import { indexPlaces } from "./hit.ts";
import { lookOf } from "./paint.ts";
import { summarise } from "./summary.ts";

const STATUSES = ["running", "finished", "failed", "abandoned"];
const STANDINGS = ["none", "claimed", "provisional", "verified", "disputed", "rejected"];

function columns(parents: number[], scores: (number | null)[], more: Partial<Columns> = {}): Columns {
  const zeros = parents.map(() => 0);
  return {
    goal: "toy", seq: 1, direction: "min", epoch: "2026-11-21T12:00:00Z", complete: true,
    statuses: STATUSES, standings: STANDINGS,
    number: parents.map((_, index) => index),
    parent: parents.map((parent, index) => (parent < 0 ? 0 : index - parent)),
    second_parent: zeros, score: scores.map((score) => (score === null ? null : Math.round(score * 1e6))),
    status: parents.map(() => 1), standing: zeros, kept: zeros, agent: zeros, seconds: zeros, agents: ["volta"],
    ...more,
  };
}

const trees = fc
  .array(fc.tuple(fc.nat(), fc.option(fc.double({ min: 0.5, max: 2, noNaN: true }), { nil: null })), { minLength: 1, maxLength: 400 })
  .map((rows) => columns(rows.map(([seed], index) => (index === 0 ? -1 : seed % index)), rows.map(([, score]) => score)));

describe("columns", () => {
  it("count each experiment that is over in one outcome", () => {
    const said = columns([-1, 0, 0, 0], [1, 2, null, null], { kept: [1, 0, 0, 0], status: [1, 1, 2, 0] });
    expect(outcomes(toForest(said))).toEqual({ kept: 1, discarded: 1, crashed: 1 });
  });

  it("say that a baseline without a result was not run yet, and of others that they run", () => {
    const forest = toForest(columns([-1, 0], [null, null], { status: [0, 0] }));
    expect([lookOf(forest, 0).word, lookOf(forest, 1).word]).toEqual(["no run yet", "running"]);
  });

  it("keep a missing score apart from a zero", () => {
    const forest = toForest(columns([-1, 0], [0, null]));
    expect([forest.score[0], forest.score[1]]).toEqual([0, NaN]);
  });

  it("mark a parent that is not here as a ghost", () => {
    const forest = toForest(columns([-1, 0], [1, 2], { number: [5, 7], parent: [2, 2] }));
    expect([forest.parent[0], forest.parent[1]]).toEqual([GHOST, 0]);
  });

  it("are the same after any split into a snapshot and a delta", () => {
    fc.assert(
      fc.property(trees, fc.nat(), (whole, cut) => {
        const at = cut % (whole.number.length + 1);
        const part = (from: number, to: number): Columns => {
          const pieces = Object.entries(whole).map(([key, value]) =>
            [key, Array.isArray(value) && !["statuses", "standings", "agents"].includes(key) ? value.slice(from, to) : value]);
          return { ...(Object.fromEntries(pieces) as Columns), complete: from === 0 };
        };
        const rest = part(Math.max(0, at - 3), whole.number.length); // three rows come twice
        const joined = applyDelta(toForest(part(0, at)), { ...rest, complete: false });
        expect(joined).toEqual(toForest(whole));
      }),
    );
  });

  it("keep scores of less than a millionth when a delta comes", () => {
    const small = toForest(columns([-1], [], { score: [0.25] }));
    const joined = applyDelta(small, columns([1], [], { score: [4.5], number: [1], complete: false }));
    expect(Array.from(joined.score)).toEqual([2.5e-7, 4.5e-6]);
  });

  it("learn the names of agents that a delta brings", () => {
    const forest = applyDelta(
      toForest(columns([-1], [1])),
      columns([-1], [2], { number: [1], parent: [1], complete: false, agents: ["tesla"] }),
    );
    expect(forest.agents[forest.agent[rowOf(forest, 1)]]).toBe("tesla");
  });
});

describe("focus", () => {
  it("shows or folds every experiment exactly once", () => {
    fc.assert(
      fc.property(trees, fc.integer({ min: 1, max: 60 }), (said, budget) => {
        const forest = toForest(said);
        const glyphs = focus(forest, summarise(forest), { budget, perParent: 5 });
        expect(glyphs.reduce((sum, glyph) => sum + glyph.count, 0)).toBe(forest.size);
      }),
    );
  });

  it("folds thousands of siblings into one bundle that knows its best", () => {
    const parents = [-1, ...Array.from({ length: 12_707 }, () => 0)];
    const forest = toForest(columns(parents, parents.map((_, index) => 1 + index / 1e5)));
    const bundles = focus(forest, summarise(forest)).filter((glyph) => glyph.bundle);
    expect(bundles).toHaveLength(1);
    expect(bundles[0].count).toBeGreaterThan(12_600);
    expect(Number.isFinite(bundles[0].best)).toBe(true);
  });

  it("opens forty more of a bundle for each click", () => {
    const parents = [-1, ...Array.from({ length: 500 }, () => 0)];
    const forest = toForest(columns(parents, parents.map(() => 1)));
    const shown = (open: string[]): number => focus(forest, summarise(forest), { open }).filter((glyph) => !glyph.bundle).length;
    expect(shown(["0", "0"]) - shown(["0"])).toBe(40);
  });

  it("always shows what is pinned", () => {
    const parents = [-1, ...Array.from({ length: 500 }, () => 0)];
    const forest = toForest(columns(parents, parents.map(() => null)));
    expect(focus(forest, summarise(forest), { pinned: [321] }).some((glyph) => glyph.row === 321 && !glyph.bundle)).toBe(true);
  });

  it("finds the best rows in order, larger being better where the goal says so", () => {
    const forest = toForest(columns([-1, 0, 0, 0], [1, 3, null, 2], { direction: "max" }));
    expect(topRows(forest, 2)).toEqual([1, 3]);
  });
});

describe("layout", () => {
  it("gives no two glyphs the same place, and the best child its parent's line", () => {
    fc.assert(
      fc.property(trees, (said) => {
        const forest = toForest(said);
        const glyphs = focus(forest, summarise(forest));
        const places = layoutFocus(glyphs);
        expect(new Set(glyphs.map((_, index) => `${places.x[index]},${places.y[index]}`)).size).toBe(glyphs.length);
        glyphs.forEach((glyph, index) => {
          if (glyph.children.length > 0) expect(places.y[glyph.children[0]]).toBe(places.y[index]);
        });
      }),
    );
  });

  it("puts a lineage of 5,000 steps down without recursion", () => {
    const forest = toForest(columns(Array.from({ length: 5000 }, (_, index) => index - 1), Array.from({ length: 5000 }, () => 1)));
    expect(layoutAll(forest, summarise(forest)).width).toBe(4999);
  });

  it("finds the glyph nearest to the pointer, or none", () => {
    const hits = indexPlaces({ x: Float64Array.of(0, 1, 5), y: Float64Array.of(0, 0, 5), width: 5, height: 5 });
    expect([hits.at(0.8, 0.1, 1, 1), hits.at(3, 3, 1, 1)]).toEqual([1, -1]);
  });
});
