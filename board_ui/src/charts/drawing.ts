/** The plots' layers for SVG files. */
import type { Marks } from "./marks.ts";
import { placeLabels, type Axis, type Clip } from "./progress.ts";
import { toSvg, type Layer } from "./svg.ts";

interface Wanted {
  marks: Marks;
  range: Clip;
  ends: [number, number];
  ink: (token: string) => string;
  title: string;
  metric: string;
  axis: Axis;
  label: string;
  /** How a score is written on its axis. */
  write: (value: number) => string;
}

/** The plot as it is on the screen, as SVG text. */
export function drawing({ marks, range, ends, ink, title, metric: name, axis, label, write: told }: Wanted): string {
  const { forest, data, noise, spread } = marks;
  const rows = (which: number[]): { x: number[]; y: number[] } => ({ x: which.map((row) => data.x[row]), y: which.map((row) => forest.score[row]) });
  const again = data.kept.filter((row) => spread.has(forest.number[row]));
  const layers: Layer[] = [
    ...(noise && !Number.isNaN(data.best) ? [{ kind: "band" as const, colour: ink("noise"), x: [], y: [data.best - 2 * noise, data.best + 2 * noise] }] : []),
    { kind: "rule", colour: ink("edge"), x: [], y: [data.baseline] },
    { kind: "dots", colour: ink("dot"), ...rows(data.tried), size: 2.2 },
    { kind: "rug", colour: ink("bad"), x: data.crashed.map((row) => data.x[row]), y: [] },
    { kind: "stair", colour: ink("good"), x: data.x, y: data.stair },
    { kind: "stair", colour: ink("verified"), x: data.x, y: data.verified },
    { kind: "whiskers", colour: ink("good"), ...rows(again), size: again.map((row) => 2 * (spread.get(forest.number[row]) ?? 0)) },
    { kind: "dots", colour: ink("good"), ...rows(data.kept), size: 3.6 },
    words(marks, range, ends, ink("ink")),
  ];
  const write = axis === "time" ? (value: number): string => new Date(value * 1000).toISOString().slice(0, 16).replace("T", " ") : (value: number): string => String(Number(value.toFixed(3)));
  return toSvg({
    title, layers, ink: ink("ink"), soft: ink("soft"), line: ink("line"), paper: ink("card"),
    x: { low: ends[0], high: ends[1], label, write },
    y: { low: range.low, high: range.high, label: name, write: told },
  });
}

function words({ forest, data, labels }: Marks, range: Clip, ends: [number, number], colour: string): Layer {
  const [wide, high] = [1092, 504];
  const at = (row: number): { x: number; y: number } => ({
    x: ((data.x[row] - ends[0]) / (ends[1] - ends[0] || 1)) * wide,
    y: ((range.high - forest.score[row]) / (range.high - range.low || 1)) * high,
  });
  const kept = data.kept.filter((row) => at(row).y > 14 && at(row).x >= 0 && at(row).x < wide - 40);
  const placed = placeLabels({ forest, kept, text: labels, at, measure: (text) => text.length * 6.6, scale: 1, right: wide + 400 });
  return { kind: "words", colour, x: placed.map(({ row }) => data.x[row]), y: placed.map(({ row }) => forest.score[row]), words: placed.map(({ text }) => text) };
}

interface Curves {
  x: number[];
  series: { y: (number | null)[]; colour: string }[];
  ink: (token: string) => string;
  title: string;
  label: string;
  log: boolean;
}

/** Learning curves over each other, as SVG text; `log` draws the logarithm and writes the value. */
export function lines({ x, series, ink, title, label, log }: Curves): string {
  const scale = (value: number | null): number | null => (value === null || !log ? value : value > 0 ? Math.log10(value) : null);
  const scaled = series.map(({ y, colour }) => ({ y: y.map((value) => scale(value ?? null)), colour }));
  const [low, high] = ends(scaled.flatMap(({ y }) => y.filter((value) => value !== null)));
  const [first, last] = ends(x);
  return toSvg({
    title, ink: ink("ink"), soft: ink("soft"), line: ink("line"), paper: ink("card"),
    layers: scaled.map(({ y, colour }) => ({ kind: "line", colour, x, y })),
    x: { low: first, high: last, label, write: (value) => String(Number(value.toFixed(1))) },
    y: { low, high, label: "training loss", write: (value) => String(Number((log ? 10 ** value : value).toFixed(3))) },
  });
}

/** The least and the largest of many numbers; a spread call would overflow the stack. */
function ends(values: number[]): [number, number] {
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  return Number.isFinite(low) ? [low, high] : [0, 1];
}
