/** A plot as SVG text: the same layers as on the canvas, sharp at any size and editable. */

export interface Layer {
  kind: "stair" | "line" | "dots" | "rug" | "rule" | "band" | "whiskers" | "words";
  colour: string;
  /** In data units; a null in `y` is a gap. */
  x: ArrayLike<number>;
  y: ArrayLike<number | null>;
  /** Half lengths of whiskers, or radii. */
  size?: number | number[];
  words?: string[];
}

export interface Picture {
  title: string;
  x: { low: number; high: number; label: string; write: (value: number) => string };
  y: { low: number; high: number; label: string; write: (value: number) => string };
  layers: Layer[];
  ink: string;
  soft: string;
  line: string;
  paper: string;
}

const [WIDTH, HEIGHT] = [1200, 600];
const EDGE = { left: 84, right: 24, top: 44, bottom: 52 };

type At = (value: number) => number;

/** The whole file. Agents' words are escaped: an SVG that is opened on its own must hold no script. */
export function toSvg(picture: Picture): string {
  const { x, y } = picture;
  const across: At = (value) => EDGE.left + ((value - x.low) / (x.high - x.low || 1)) * (WIDTH - EDGE.left - EDGE.right);
  const down: At = (value) => HEIGHT - EDGE.bottom - ((value - y.low) / (y.high - y.low || 1)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const inside = picture.layers.map((layer) => draw(layer, across, down, y.low)).join("\n");
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13">
<title>${escape(picture.title)}</title>
<rect width="100%" height="100%" fill="${picture.paper}"/>
<text x="${EDGE.left}" y="26" fill="${picture.ink}" font-size="16" font-weight="600">${escape(picture.title)}</text>
${axes(picture, across, down)}
<clipPath id="box"><rect x="${EDGE.left}" y="${EDGE.top}" width="${WIDTH - EDGE.left - EDGE.right}" height="${HEIGHT - EDGE.top - EDGE.bottom}"/></clipPath>
<g clip-path="url(#box)">
${inside}
</g>
</svg>
`;
}

function axes(picture: Picture, across: At, down: At): string {
  const { x, y, line, soft } = picture;
  const floor = HEIGHT - EDGE.bottom;
  const upright = ticks(x.low, x.high).map((value) => `<path d="M${fix(across(value))} ${EDGE.top}V${floor}" stroke="${line}"/><text x="${fix(across(value))}" y="${floor + 18}" fill="${soft}" text-anchor="middle">${escape(x.write(value))}</text>`);
  const level = ticks(y.low, y.high).map((value) => `<path d="M${EDGE.left} ${fix(down(value))}H${WIDTH - EDGE.right}" stroke="${line}"/><text x="${EDGE.left - 8}" y="${fix(down(value) + 4)}" fill="${soft}" text-anchor="end">${escape(y.write(value))}</text>`);
  const names = `<text x="${(EDGE.left + WIDTH - EDGE.right) / 2}" y="${HEIGHT - 10}" fill="${soft}" text-anchor="middle">${escape(x.label)}</text><text transform="translate(16 ${(EDGE.top + floor) / 2}) rotate(-90)" fill="${soft}" text-anchor="middle">${escape(y.label)}</text>`;
  return [...upright, ...level, names].join("\n");
}

function draw(layer: Layer, across: At, down: At, floor: number): string {
  const { kind, colour } = layer;
  if (kind === "stair" || kind === "line") return `<path d="${trail(layer, across, down)}" fill="none" stroke="${colour}" stroke-width="2"/>`;
  if (kind === "rule") return `<path d="M0 ${fix(down(layer.y[0] ?? 0))}H${WIDTH}" stroke="${colour}" stroke-dasharray="5 5"/>`;
  if (kind === "band") {
    const [top, bottom] = [down(layer.y[1] ?? 0), down(layer.y[0] ?? 0)];
    return `<rect x="0" y="${fix(Math.min(top, bottom))}" width="${WIDTH}" height="${fix(Math.abs(bottom - top))}" fill="${colour}"/>`;
  }
  const marks: string[] = [];
  const taken = new Set<string>();
  for (let at = 0; at < layer.x.length; at++) {
    const [x, y] = [fix(across(layer.x[at])), fix(down(layer.y[at] ?? floor))];
    if (kind !== "words" && taken.has(`${Math.round(+x)},${Math.round(+y)}`)) continue;
    taken.add(`${Math.round(+x)},${Math.round(+y)}`);
    marks.push(mark(layer, at, x, y, down));
  }
  return `<g fill="${colour}">${marks.join("")}</g>`;
}

function mark(layer: Layer, at: number, x: string, y: string, down: At): string {
  const size = Array.isArray(layer.size) ? layer.size[at] : (layer.size ?? 3);
  const value = layer.y[at] ?? 0;
  switch (layer.kind) {
    case "rug":
      return `<rect x="${x}" y="${HEIGHT - EDGE.bottom - 7}" width="1.5" height="7"/>`;
    case "whiskers":
      return `<path d="M${x} ${fix(down(value - size))}V${fix(down(value + size))}" stroke="${layer.colour}" stroke-width="1.5"/>`;
    case "words":
      return `<text x="${x}" y="${y}" dx="6" dy="-7">${escape(layer.words?.[at] ?? "")}</text>`;
    default:
      return `<circle cx="${x}" cy="${y}" r="${size}"/>`;
  }
}

function trail(layer: Layer, across: At, down: At): string {
  const parts: string[] = [];
  let before: string | null = null;
  for (let at = 0; at < layer.x.length; at++) {
    const value = layer.y[at];
    if (value === null || Number.isNaN(value)) continue;
    const [x, y] = [fix(across(layer.x[at])), fix(down(value))];
    if (before === null) parts.push(`M${x} ${y}`);
    else if (layer.kind === "line") parts.push(`L${x} ${y}`);
    else if (y !== before || at === layer.x.length - 1) parts.push(`H${x}V${y}`);
    before = y;
  }
  return parts.join("");
}

/** About six round numbers in a range. */
export function ticks(low: number, high: number): number[] {
  const rough = (high - low) / 6;
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((each) => each * power >= rough) ?? 10) * power;
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, at) => (first + at) * step);
}

const fix = (value: number): string => value.toFixed(1);
const NAMES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
// Control characters are no XML at all; a file with one would not open.
const escape = (text: string): string => text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "").replace(/[&<>"']/g, (each) => NAMES[each]);
