/** How far this browser has read each topic; kept here, told to nobody. */

const KEY = "read";
const MOST = 500;

/** How many posts there were, and the newest one's number. */
type Read = [posts: number, seq: number];

function load(): Record<string, Read> {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Record<string, Read | number>;
    return Object.fromEntries(Object.entries(kept).map(([name, said]) => [name, typeof said === "number" ? [said, 0] : said]));
  } catch {
    return {};
  }
}

const seen = $state(load());
const name = (channel: string, topic: string): string => `${channel}/${topic}`;

/** Posts that came since this browser was last in the topic; a topic never opened counts none. */
export function unread(channel: string, topic: string, posts: number): number {
  const known = seen[name(channel, topic)];
  return known === undefined ? 0 : Math.max(0, posts - known[0]);
}

/** The newest post that was read here before; 0 when none was. */
export const readUpTo = (channel: string, topic: string): number => seen[name(channel, topic)]?.[1] ?? 0;

/** Remember that so many posts of the topic are read, up to this one. */
export function markRead(channel: string, topic: string, posts: number, seq: number): void {
  const known = seen[name(channel, topic)] ?? [0, 0];
  seen[name(channel, topic)] = [Math.max(known[0], posts), Math.max(known[1], seq)];
  const entries = Object.entries(seen).slice(-MOST);
  try {
    localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(entries)));
  } catch {
    // Storage is off: the mark lasts for this page.
  }
}
