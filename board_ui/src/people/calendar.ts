/** A year of days laid out in weeks, Monday on top, the newest week to the right. */
export interface Day {
  day: string;
  runs: number;
  failures: number;
}

interface Cell extends Day {
  x: number;
  y: number;
  /** 0 for none, then 1 to 4 by quarters of the busiest day. */
  level: number;
}

export interface Grid {
  columns: number;
  cells: Cell[];
  months: { x: number; word: string }[];
}

const DAY = 86_400_000;
const WEEKS = 53;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Cells for the last 53 weeks up to a day; days of UTC, as the hub counts them. */
export function weeks(days: Day[], today: Date): Grid {
  const known = new Map(days.map((day) => [day.day, day]));
  const most = Math.max(1, ...days.map((day) => day.runs));
  const last = Math.floor(today.getTime() / DAY);
  const monday = last - ((last + 3) % 7); // the first of January 1970 was a Thursday
  const first = monday - (WEEKS - 1) * 7;
  const cells: Cell[] = [];
  const months: Grid["months"] = [];
  for (let at = first; at <= last; at++) {
    const day = new Date(at * DAY).toISOString().slice(0, 10);
    const { runs, failures } = known.get(day) ?? { runs: 0, failures: 0 };
    const x = Math.floor((at - first) / 7);
    cells.push({ day, runs, failures, x, y: (at - first) % 7, level: runs === 0 ? 0 : Math.ceil((4 * runs) / most) });
    if (day.endsWith("-01") && x - (months.at(-1)?.x ?? -4) >= 4) months.push({ x, word: MONTHS[Number(day.slice(5, 7)) - 1] });
  }
  return { columns: WEEKS, cells, months };
}
