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

/** One dot to a pixel: 100,000 of them cost as much as the screen has room for. */
function dots(u: uPlot, marks: Marks, rows: number[], style: string, radius: number): void {
  const size = radius * devicePixelRatio;
  const taken = new Set<number>();
  u.ctx.fillStyle = style;
  u.ctx.beginPath();
  for (const row of rows) {
    const { x, y } = place(u, marks, row);
    const pixel = Math.round(y / 2) * 16384 + Math.round(x / 2);
    if (taken.has(pixel)) continue;
    taken.add(pixel);
    u.ctx.moveTo(x + size, y);
    u.ctx.arc(x, y, size, 0, 2 * Math.PI);
  }
  u.ctx.fill();
}

function rug(u: uPlot, data: Progress, style: string, floor: number): void {
  u.ctx.fillStyle = style;
  for (const row of data.crashed) {
    const x = u.valToPos(data.x[row], "x", true);
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
