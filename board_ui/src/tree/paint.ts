/** Colours and shapes of experiments, the same on canvas and in the outline. */
import { identity, metric, NOT_RUN } from "../format.ts";
import { statusOf, standingOf, type Forest } from "./columns.ts";
import type { Summary } from "./summary.ts";

export type Shape = "running" | "failed" | "abandoned" | "kept" | "verified" | "disputed" | "tried";
export type ColourBy = "score" | "delta" | "agent" | "age" | "hardware" | "category";

/** A name for each row, such as its hardware: an index into `names`, -1 where it is not known. */
export interface Groups {
  of: ArrayLike<number> & Iterable<number>;
  names: string[];
}

export const SHAPES: Record<Shape, { sign: string; word: string }> = {
  running: { sign: "◐", word: "running" },
  failed: { sign: "✕", word: "crashed" },
  abandoned: { sign: "◌", word: "abandoned" },
  kept: { sign: "●", word: "kept" },
  verified: { sign: "✓", word: "verified" },
  disputed: { sign: "≠", word: "disputed" },
  tried: { sign: "○", word: "discarded" },
};

/** The shape of a row: what happened to it. */
export function shapeOf(forest: Forest, row: number): Shape {
  const status = statusOf(forest, row);
  if (status === "running" || status === "failed" || status === "abandoned") return status;
  const standing = standingOf(forest, row);
  if (standing === "disputed" || standing === "rejected") return "disputed";
  if (standing === "verified") return "verified";
  return forest.kept[row] === 1 ? "kept" : "tried";
}

/** The sign and word of a row; the baseline counts as running before anybody trains it. */
export function lookOf(forest: Forest, row: number): { sign: string; word: string } {
  const look = SHAPES[shapeOf(forest, row)];
  return forest.number[row] === 0 && look === SHAPES.running ? { ...look, word: NOT_RUN } : look;
}

export interface Palette {
  card: string;
  ink: string;
  soft: string;
  line: string;
  edge: string;
  accent: string;
  bad: string;
  ramp: string[];
  hues: string[];
}

/** Read the palette from the page's tokens; called again when the theme changes. */
export function readPalette(token: (name: string) => string): Palette {
  const several = (name: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => token(`${name}-${index}`));
  return {
    card: token("card"),
    ink: token("ink"),
    soft: token("soft"),
    line: token("line"),
    edge: token("edge"),
    accent: token("accent"),
    bad: token("bad"),
    ramp: several("ramp", 5),
    hues: several("hue", 12),
  };
}

/** A score of the tree in words: a forest holds NaN where there is none, and a bundle infinity. */
export const scored = (value: number): string => (Number.isFinite(value) ? metric(value) : "no result");

/** How to colour a row, as an index into the ramp or the hues. */
export function colourer(forest: Forest, summary: Summary, by: ColourBy, palette: Palette, groups?: Groups): (row: number) => string {
  if (by === "hardware" || by === "category") {
    const slots = groups?.names.map((_, at) => palette.hues[at % 12]) ?? [];
    return (row) => slots[groups?.of[row] ?? -1] ?? palette.edge;
  }
  if (by === "agent") {
    const slots = forest.agents.map((name) => palette.hues[identity(name).slot]);
    return (row) => slots[forest.agent[row]];
  }
  const share = by === "age" ? ageShare(forest) : by === "delta" ? deltaShare(forest) : scoreShare(forest, summary);
  const steps = palette.ramp.length;
  return (row) => {
    const value = share(row);
    if (Number.isNaN(value)) return palette.edge;
    return palette.ramp[Math.max(0, Math.min(steps - 1, Math.floor(value * steps)))];
  };
}

/** 1 for the best, 0 for the first root's score and all that is worse. */
function scoreShare(forest: Forest, summary: Summary): (row: number) => number {
  const from = summary.roots.length > 0 ? forest.sign * forest.score[summary.roots[0]] : NaN;
  const best = summary.top >= 0 ? forest.sign * forest.score[summary.top] : NaN;
  const span = from - best || 1;
  return (row) => (from - forest.sign * forest.score[row]) / span;
}

function deltaShare(forest: Forest): (row: number) => number {
  const delta = (row: number): number =>
    forest.parent[row] < 0 ? NaN : forest.sign * (forest.score[forest.parent[row]] - forest.score[row]);
  let most = 0;
  for (let row = 0; row < forest.size; row++) most = Math.max(most, delta(row) || 0);
  return (row) => 0.4 + (0.6 * delta(row)) / (most || 1);
}

function ageShare(forest: Forest): (row: number) => number {
  const last = forest.size > 0 ? forest.seconds[forest.size - 1] : 1;
  return (row) => forest.seconds[row] / (last || 1);
}
