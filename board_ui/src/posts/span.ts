/** A stretch of a long topic: at most so many posts are on the page, whichever way one reads on. */

export interface Numbered {
  id: string;
  seq: number;
  author: string;
  author_kind: string;
  body: string;
}

/** Posts in the order in which they were written, and whether there are more on either side. */
export interface Span<P extends Numbered> {
  posts: P[];
  older: string | null;
  newer: boolean;
}

export interface Page<P extends Numbered> {
  posts: P[];
  next_cursor?: string | null | undefined;
}

export const MOST = 200;

const rising = <P extends Numbered>(posts: P[]): P[] => posts.toSorted((a, b) => a.seq - b.seq);

/** The stretch that one page is. */
export const begin = <P extends Numbered>(page: Page<P>, newer: boolean): Span<P> => ({ posts: rising(page.posts), older: page.next_cursor ?? null, newer });

/** Read back: what no longer fits goes at the new end. */
export function earlier<P extends Numbered>(span: Span<P>, page: Page<P>): Span<P> {
  const all = merged(page.posts, span.posts);
  return { posts: all.slice(0, MOST), older: page.next_cursor ?? null, newer: span.newer || all.length > MOST };
}

/** Read on: what no longer fits goes at the old end. */
export function later<P extends Numbered>(span: Span<P>, page: Page<P>, full: boolean): Span<P> {
  const all = merged(span.posts, page.posts);
  const kept = all.slice(-MOST);
  return { posts: kept, older: all.length > MOST ? String(kept[0].seq) : span.older, newer: full };
}

/** The newest page came again: what it says now stands, older posts stay. */
export function renewed<P extends Numbered>(span: Span<P>, page: Page<P>): Span<P> {
  const fresh = rising(page.posts);
  const first = fresh.at(0)?.seq ?? Infinity;
  const before = page.next_cursor ? span.posts.filter((post) => post.seq < first) : [];
  const all = [...before, ...fresh];
  const kept = all.slice(-MOST);
  const older = before.length === 0 ? (page.next_cursor ?? null) : all.length > MOST ? String(kept[0].seq) : span.older;
  return { posts: kept, older, newer: false };
}

function merged<P extends Numbered>(a: P[], b: P[]): P[] {
  const known = new Map([...a, ...b].map((post) => [post.id, post]));
  return rising([...known.values()]);
}

export interface Shown<P extends Numbered> {
  post: P;
  times: number;
  /** The last of them: a reader has read as far as that. */
  upTo: number;
}

/** The same words by the same author in a row stand once, with a count. */
export function folded<P extends Numbered>(posts: P[]): Shown<P>[] {
  const out: Shown<P>[] = [];
  for (const post of posts) {
    const last = out.at(-1);
    if (last && last.post.author === post.author && last.post.author_kind === post.author_kind && last.post.body === post.body) {
      last.times += 1;
      last.upTo = post.seq;
    } else out.push({ post, times: 1, upTo: post.seq });
  }
  return out;
}
