/** How the scores of many tries lie: bars of equal width, the worst fiftieth in one bar of its own. */
export interface Histogram {
  low: number;
  high: number;
  bars: number[];
  /** Tries worse than the last bar, and tries without a score. */
  beyond: number;
  unscored: number;
  median: number;
}

/** Bars over scores, where `sign` is 1 if smaller is better; null where nothing has a score. */
export function histogram(scores: number[], sign: number, count = 24): Histogram | null {
  const costs = scores.filter((score) => !Number.isNaN(score)).map((score) => sign * score).sort((a, b) => a - b);
  if (costs.length === 0) return null;
  const least = costs[0];
  const most = costs.length < 50 ? costs[costs.length - 1] : costs[Math.ceil(costs.length * 0.98) - 1];
  const width = (most - least) / count || 1;
  const bars = new Array<number>(count).fill(0);
  let beyond = 0;
  for (const cost of costs) {
    if (cost > most) beyond += 1;
    else bars[Math.min(count - 1, Math.floor((cost - least) / width))] += 1;
  }
  const middle = costs[Math.floor((costs.length - 1) / 2)];
  return { low: sign * least, high: sign * (least + width * count), bars, beyond, unscored: scores.length - costs.length, median: sign * middle };
}
