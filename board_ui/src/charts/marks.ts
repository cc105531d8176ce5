/** Marks of the progress plot on uPlot's canvas: baseline, noise band, dots, rug, labels. */
import type uPlot from "uplot";
import type { Forest } from "../tree/columns.ts";
import { placeLabels, type Progress } from "./progress.ts";

type Ink = (token: string) => string;

export interface Marks {
  forest: Forest;
  data: Progress;
  noise: number | null;
  labels: (row: number) => string;
  /** Standard deviation of the score, by number, of kept steps that ran more than once. */
  spread: Map<number, number>;
  /** Index into the kept steps of the one that the keyboard stands on; -1 for none. */
  step: number;
}

const place = (u: uPlot, marks: Marks, row: number): { x: number; y: number } => ({
  x: u.valToPos(marks.data.x[row], "x", true),
  y: u.valToPos(marks.forest.score[row], "y", true),
});

/** Below the lines: the baseline, the band within which a better reading may be luck, discards. */
export function underlay(u: uPlot, marks: Marks, ink: Ink): void {
  clipped(u, () => {
    band(u, marks, ink("noise"));
    rule(u, u.valToPos(marks.data.baseline, "y", true), ink("edge"));
    dots(u, marks, marks.data.tried, ink("dot"), 2.2);
  });
}

/** Above the lines: kept steps, those without a result, those under way, and labels that fit. */
export function overlay(u: uPlot, marks: Marks, ink: Ink): void {
  const { data } = marks;
  const floor = u.bbox.top + u.bbox.height;
  clipped(u, () => {
    whiskers(u, marks, ink("good"));
    dots(u, marks, data.kept, ink("good"), 3.6);
    rug(u, data, ink("bad"), floor);
    for (const row of data.running) circle(u, u.valToPos(data.x[row], "x", true), floor - 14 * devicePixelRatio, ink("warn"), 4);
    if (data.kept[marks.step] !== undefined) {
      const { x, y } = place(u, marks, data.kept[marks.step]);
      circle(u, x, y, ink("accent"), 8);
    }
  });
  write(u, marks, ink("ink"), ink("card"));
}

/** Two standard deviations to both sides of a kept step that was run again. */
function whiskers(u: uPlot, marks: Marks, style: string): void {
  const arm = 3 * devicePixelRatio;
  u.ctx.strokeStyle = style;
  u.ctx.lineWidth = 1.4 * devicePixelRatio;
  u.ctx.beginPath();
  for (const row of marks.data.kept) {
    const sd = marks.spread.get(marks.forest.number[row]);
    if (sd === undefined) continue;
    const x = u.valToPos(marks.data.x[row], "x", true);
    const ends = [-2, 2].map((by) => u.valToPos(marks.forest.score[row] + by * sd, "y", true));
    u.ctx.moveTo(x, ends[0]);
    u.ctx.lineTo(x, ends[1]);
    for (const y of ends) {
      u.ctx.moveTo(x - arm, y);
      u.ctx.lineTo(x + arm, y);
    }
  }
  u.ctx.stroke();
}

function band(u: uPlot, { data, noise }: Marks, style: string): void {
  if (!noise || Number.isNaN(data.best)) return;
  const edges = [data.best - 2 * noise, data.best + 2 * noise].map((value) => u.valToPos(value, "y", true));
  u.ctx.fillStyle = style;
  u.ctx.fillRect(u.bbox.left, Math.min(...edges), u.bbox.width, Math.abs(edges[0] - edges[1]));
}

function rule(u: uPlot, y: number, style: string): void {
  u.ctx.setLineDash([5, 5]);
  u.ctx.strokeStyle = style;
  u.ctx.lineWidth = devicePixelRatio;
  u.ctx.beginPath();
  u.ctx.moveTo(u.bbox.left, y);
  u.ctx.lineTo(u.bbox.left + u.bbox.width, y);
  u.ctx.stroke();
  u.ctx.setLineDash([]);
}

/** One dot to a pixel: 100,000 of them cost as much as the screen has room for.
 *
 * Both scales are straight lines, so two positions of each give every other: asking uPlot for each
 * of 100,000 rows took a third of a second. */
function dots(u: uPlot, marks: Marks, rows: number[], style: string, radius: number): void {
  const size = radius * devicePixelRatio;
  const [across, down] = [ruler(u, "x"), ruler(u, "y")];
  const columns = Math.ceil(u.ctx.canvas.width / 2) + 1;
  const lines = Math.ceil(u.ctx.canvas.height / 2) + 1;
  const taken = new Uint8Array(columns * lines);
  u.ctx.fillStyle = style;
  u.ctx.beginPath();
  for (const row of rows) {
    const x = across.from + across.by * marks.data.x[row];
    const y = down.from + down.by * marks.forest.score[row];
    const [column, line] = [Math.round(x / 2), Math.round(y / 2)];
    if (!(column >= 0 && column < columns && line >= 0 && line < lines)) continue;
    const pixel = line * columns + column;
    if (taken[pixel] === 1) continue;
    taken[pixel] = 1;
    u.ctx.moveTo(x + size, y);
    u.ctx.arc(x, y, size, 0, 2 * Math.PI);
  }
  u.ctx.fill();
}

function ruler(u: uPlot, scale: "x" | "y"): { from: number; by: number } {
  const { min, max } = u.scales[scale];
  const [low, high] = [min ?? 0, max ?? 1];
  const [first, last] = [u.valToPos(low, scale, true), u.valToPos(high, scale, true)];
  const by = (last - first) / (high - low || 1);
  return { from: first - by * low, by };
}

function rug(u: uPlot, data: Progress, style: string, floor: number): void {
  u.ctx.fillStyle = style;
  const { from, by } = ruler(u, "x");
  let last = NaN;
  for (const row of data.crashed) {
    const x = from + by * data.x[row];
    if (Math.abs(x - last) < 1) continue;
    last = x;
    u.ctx.fillRect(x - devicePixelRatio / 2, floor - 7 * devicePixelRatio, 1.5 * devicePixelRatio, 7 * devicePixelRatio);
  }
}

function circle(u: uPlot, x: number, y: number, style: string, radius: number): void {
  u.ctx.strokeStyle = style;
  u.ctx.lineWidth = 2 * devicePixelRatio;
  u.ctx.beginPath();
  u.ctx.arc(x, y, radius * devicePixelRatio, 0, 2 * Math.PI);
  u.ctx.stroke();
}

function write(u: uPlot, marks: Marks, style: string, halo: string): void {
  const { left, top, width } = u.bbox;
  const inside = marks.data.kept.slice(-400).filter((row) => {
    const { x, y } = place(u, marks, row);
    return x >= left && x <= left + width && y >= top + 14 * devicePixelRatio;
  });
  u.ctx.font = `${11.5 * devicePixelRatio}px system-ui, sans-serif`;
  u.ctx.textAlign = "left";
  u.ctx.fillStyle = style;
  const labels = placeLabels({
    forest: marks.forest,
    kept: inside,
    text: marks.labels,
    at: (row) => place(u, marks, row),
    measure: (text) => u.ctx.measureText(text).width,
    scale: devicePixelRatio,
    right: left + width,
  });
  u.ctx.strokeStyle = halo;
  u.ctx.lineWidth = 4 * devicePixelRatio;
  u.ctx.lineJoin = "round";
  for (const label of labels) {
    u.ctx.strokeText(label.text, label.x, label.y);
    u.ctx.fillText(label.text, label.x, label.y);
  }
}

function clipped(u: uPlot, paint: () => void): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint();
  ctx.restore();
}
