/** A curve without its jitter: an exponential average that does not lean on its first point. */

const KEEP = 0.9;

/** Smoothed values; gaps stay gaps. */
export function smoothed(values: (number | null | undefined)[], keep = KEEP): (number | null)[] {
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null || value === undefined) return null;
    sum = keep * sum + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return sum / weight;
  });
}
