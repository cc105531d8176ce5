/** How far this browser has read each topic; kept here, told to nobody. */

const KEY = "read";
const MOST = 500;

function load(): Record<string, number> {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Record<string, number>;
  } catch {
    return {};
  }
}

const seen = $state(load());
const name = (channel: string, topic: string): string => `${channel}/${topic}`;

/** Posts that came since this browser was last in the topic; a topic never opened counts none. */
export function unread(channel: string, topic: string, posts: number): number {
  const known = seen[name(channel, topic)];
  return known === undefined ? 0 : Math.max(0, posts - known);
}

/** How many posts had been read before. */
export const readBefore = (channel: string, topic: string): number | undefined => seen[name(channel, topic)];

/** Remember that this many posts of the topic are read. */
export function markRead(channel: string, topic: string, posts: number): void {
  seen[name(channel, topic)] = posts;
  const entries = Object.entries(seen).slice(-MOST);
  try {
    localStorage.setItem(KEY, JSON.stringify(Object.fromEntries(entries)));
  } catch {
    // Storage is off: the mark lasts for this page.
  }
}
