/** Which rows of a long list are on the screen: only those are made, spacers stand for the rest. */
export interface Slice {
  from: number;
  to: number;
  /** Heights in pixels of what is left out above and below. */
  above: number;
  below: number;
}

const SPARE = 8;

/** The rows that a box of `height` pixels shows at a scroll position, and a few on either side. */
export function slice(total: number, row: number, top: number, height: number): Slice {
  const from = Math.max(0, Math.min(Math.floor(top / row) - SPARE, total - Math.ceil(height / row) - SPARE));
  const to = Math.min(total, Math.max(from, Math.ceil((top + height) / row) + SPARE));
  return { from, to, above: from * row, below: (total - to) * row };
}
