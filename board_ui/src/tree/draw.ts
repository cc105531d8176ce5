/** Put a tree on a canvas: culled to what is visible, and one mark per pixel where it is dense. */
import { count as written } from "../format.ts";
import { GHOST, type Forest } from "./columns.ts";
import type { Glyph } from "./focus.ts";
import type { Hits } from "./hit.ts";
import type { Places } from "./layout.ts";
import { shapeOf, type Palette, type Shape } from "./paint.ts";

export interface Camera {
  /** Screen position of the layout's origin, in CSS pixels. */
  x: number;
  y: number;
  /** CSS pixels per layout unit. */
  ux: number;
  uy: number;
}

export interface Scene {
  forest: Forest;
  places: Places;
  hits: Hits;
  /** Glyphs of the focus view; none when every row is drawn. */
  glyphs: Glyph[] | null;
  colour: (row: number) => string;
  /** Rows on the way to the best and to the selected one. */
  line: Set<number>;
  chosen: Set<number>;
  marked: Set<number>;
  selected: number;
  top: number;
}

const SWARM = 2500;
const RADIUS = 4.5;

/** Draw one frame; the canvas is `width` × `height` CSS pixels. */
export function draw(ctx: CanvasRenderingContext2D, scene: Scene, camera: Camera, palette: Palette, width: number, height: number): void {
  ctx.clearRect(0, 0, width, height);
  const seen = visible(scene, camera, width, height);
  if (scene.glyphs === null && seen.length > SWARM) drawSwarm(ctx, scene, camera, width, height, seen);
  else drawEdges(ctx, scene, camera, palette, seen);
  if (scene.glyphs === null && seen.length > SWARM) {
    drawLine(ctx, scene, camera, palette);
    for (const item of seen) if (special(scene, item)) drawItem(ctx, scene, camera, palette, item);
  } else for (const item of seen) drawItem(ctx, scene, camera, palette, item);
}

function visible(scene: Scene, camera: Camera, width: number, height: number): number[] {
  const margin = 60;
  return scene.hits.within(
    (-margin - camera.x) / camera.ux,
    (-margin - camera.y) / camera.uy,
    (width + margin - camera.x) / camera.ux,
    (height + margin - camera.y) / camera.uy,
  );
}

/** Thousands of rows: one small square each, and none where the pixel is taken. */
function drawSwarm(ctx: CanvasRenderingContext2D, scene: Scene, camera: Camera, width: number, height: number, seen: number[]): void {
  const columns = Math.ceil(width / 2) + 1;
  const taken = new Uint8Array(columns * (Math.ceil(height / 2) + 1));
  let style = "";
  for (const row of seen) {
    const x = camera.x + scene.places.x[row] * camera.ux;
    const y = camera.y + scene.places.y[row] * camera.uy;
    if (x < 0 || y < 0 || x > width || y > height) continue;
    const cell = (y >> 1) * columns + (x >> 1);
    if (taken[cell] === 1) continue;
    taken[cell] = 1;
    const colour = scene.colour(row);
    if (colour !== style) ctx.fillStyle = style = colour;
    ctx.fillRect(x - 1, y - 1, 2.5, 2.5);
  }
}

/** The champion's line alone; drawn over a swarm, whose other edges would only be grey. */
function drawLine(ctx: CanvasRenderingContext2D, scene: Scene, camera: Camera, palette: Palette): void {
  ctx.beginPath();
  for (const row of scene.line) {
    if (scene.forest.parent[row] >= 0) trace(ctx, scene, camera, scene.forest.parent[row], row);
  }
  ctx.strokeStyle = palette.accent;
  ctx.lineWidth = 2;
  ctx.stroke();
}

function drawEdges(ctx: CanvasRenderingContext2D, scene: Scene, camera: Camera, palette: Palette, seen: number[]): void {
  const plain: number[] = [];
  const strong: number[] = [];
  for (const item of seen) {
    if (parentOf(scene, item) >= 0) (onLine(scene, item) ? strong : plain).push(item);
  }
  stroke(ctx, scene, camera, plain, palette.edge, 0.8);
  stroke(ctx, scene, camera, strong, palette.accent, 2.4);
  drawGhosts(ctx, scene, camera, palette, seen);
}

/** A parent that is not here any more leaves a dotted line where it was. */
function drawGhosts(ctx: CanvasRenderingContext2D, scene: Scene, camera: Camera, palette: Palette, seen: number[]): void {
  ctx.setLineDash([2, 3]);
  ctx.strokeStyle = palette.soft;
  ctx.lineWidth = 1.2;
  ctx.beginPath();
  for (const item of seen) {
    if (scene.glyphs?.[item].bundle || scene.forest.parent[rowOf(scene, item)] !== GHOST) continue;
    const x = camera.x + scene.places.x[item] * camera.ux;
    const y = camera.y + scene.places.y[item] * camera.uy;
    ctx.moveTo(x - 5, y);
    ctx.lineTo(x - 15, y);
    ctx.moveTo(x - 15, y);
    ctx.arc(x - 19, y, 4, 0, 2 * Math.PI);
  }
  ctx.stroke();
  ctx.setLineDash([]);
}

function stroke(ctx: CanvasRenderingContext2D, scene: Scene, camera: Camera, items: number[], style: string, width: number): void {
  ctx.beginPath();
  for (const item of items) trace(ctx, scene, camera, parentOf(scene, item), item);
  ctx.strokeStyle = style;
  ctx.lineWidth = width;
  ctx.stroke();
}

function trace(ctx: CanvasRenderingContext2D, scene: Scene, camera: Camera, from: number, to: number): void {
  const x0 = camera.x + scene.places.x[from] * camera.ux;
  const y0 = camera.y + scene.places.y[from] * camera.uy;
  const x1 = camera.x + scene.places.x[to] * camera.ux;
  const y1 = camera.y + scene.places.y[to] * camera.uy;
  ctx.moveTo(x0, y0);
  if (Math.abs(y1 - y0) < 1) ctx.lineTo(x1, y1);
  else {
    const bend = Math.min(8, Math.abs(y1 - y0) / 2, Math.max(1, (x1 - x0) / 2));
    const trunk = x0 + Math.min(10, (x1 - x0) / 2);
    ctx.lineTo(trunk - bend / 2, y0);
    ctx.quadraticCurveTo(trunk, y0, trunk, y0 + Math.sign(y1 - y0) * bend);
    ctx.lineTo(trunk, y1 - Math.sign(y1 - y0) * bend);
    ctx.quadraticCurveTo(trunk, y1, trunk + bend / 2, y1);
    ctx.lineTo(x1, y1);
  }
}

function drawItem(ctx: CanvasRenderingContext2D, scene: Scene, camera: Camera, palette: Palette, item: number): void {
  const x = camera.x + scene.places.x[item] * camera.ux;
  const y = camera.y + scene.places.y[item] * camera.uy;
  const glyph = scene.glyphs?.[item];
  const row = rowOf(scene, item);
  if (glyph?.bundle) drawBundle(ctx, glyph, x, y, camera, palette);
  else {
    const radius = RADIUS * Math.min(1.25, Math.max(0.55, camera.uy / 20)) * (row === scene.top ? 1.5 : 1);
    drawShape(ctx, shapeOf(scene.forest, row), x, y, radius, scene.colour(row), palette);
    if (labelled(scene, camera, row)) {
      ctx.fillStyle = palette.soft;
      ctx.font = "11px system-ui, sans-serif";
      ctx.fillText(`#${scene.forest.number[row]}`, x + 8, y - 5);
    }
  }
  if (item === scene.selected) ring(ctx, x, y, 10, palette.accent);
  else if (!glyph?.bundle && scene.marked.has(row)) ring(ctx, x, y, 8, palette.bad);
}

const labelled = (scene: Scene, camera: Camera, row: number): boolean =>
  row === scene.top || (camera.ux >= 38 && camera.uy >= 15 && scene.glyphs !== null);

function drawBundle(ctx: CanvasRenderingContext2D, glyph: Glyph, x: number, y: number, camera: Camera, palette: Palette): void {
  const side = Math.min(16, 5 + Math.sqrt(glyph.count) / 4) * Math.min(1.2, Math.max(0.6, camera.uy / 20));
  ctx.fillStyle = palette.line;
  ctx.strokeStyle = palette.soft;
  ctx.lineWidth = 1;
  ctx.beginPath();
  ctx.roundRect(x - side / 2, y - side / 2, side, side, 2);
  ctx.fill();
  ctx.stroke();
  if (camera.uy < 11) return;
  ctx.fillStyle = palette.soft;
  ctx.font = "11px system-ui, sans-serif";
  ctx.fillText(written(glyph.count), x + side / 2 + 3, y + 4);
}

function drawShape(ctx: CanvasRenderingContext2D, shape: Shape, x: number, y: number, radius: number, colour: string, palette: Palette): void {
  ctx.fillStyle = shape === "kept" || shape === "verified" ? colour : palette.card;
  ctx.strokeStyle = shape === "failed" || shape === "disputed" ? palette.bad : colour;
  ctx.lineWidth = 1.6;
  ctx.beginPath();
  if (shape === "failed") {
    const arm = radius * 0.75;
    ctx.moveTo(x - arm, y - arm);
    ctx.lineTo(x + arm, y + arm);
    ctx.moveTo(x + arm, y - arm);
    ctx.lineTo(x - arm, y + arm);
    ctx.stroke();
    return;
  }
  ctx.setLineDash(shape === "abandoned" ? [2, 2] : []);
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.fill();
  ctx.stroke();
  ctx.setLineDash([]);
  if (shape === "running") half(ctx, x, y, radius, colour);
  if (shape === "verified") ring(ctx, x, y, radius + 2.5, colour, 1.2);
}

function half(ctx: CanvasRenderingContext2D, x: number, y: number, radius: number, colour: string): void {
  ctx.fillStyle = colour;
  ctx.beginPath();
  ctx.arc(x, y, radius, Math.PI / 2, -Math.PI / 2);
  ctx.fill();
}

function ring(ctx: CanvasRenderingContext2D, x: number, y: number, radius: number, style: string, width = 2): void {
  ctx.strokeStyle = style;
  ctx.lineWidth = width;
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.stroke();
}

const rowOf = (scene: Scene, item: number): number => scene.glyphs?.[item].row ?? item;

function parentOf(scene: Scene, item: number): number {
  return scene.glyphs === null ? scene.forest.parent[item] : scene.glyphs[item].parent;
}

const onLine = (scene: Scene, item: number): boolean => {
  const glyph = scene.glyphs?.[item];
  return !glyph?.bundle && (scene.line.has(rowOf(scene, item)) || scene.chosen.has(rowOf(scene, item)));
};

function special(scene: Scene, item: number): boolean {
  return item === scene.selected || item === scene.top || scene.marked.has(item) || scene.line.has(item);
}
