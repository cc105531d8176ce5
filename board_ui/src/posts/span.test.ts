import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { begin, earlier, folded, later, MOST, renewed, type Numbered, type Page } from "./span.ts";

const post = (seq: number, body = `post ${seq}`): Numbered => ({ id: `id-${seq}`, seq, author: "volta", author_kind: "agent", body });
const PAGE = 100;

/** A hub with so many posts: newest first before a cursor, or the first after one. */
function hub(total: number): { before: (cursor?: string | null) => Page<Numbered>; after: (seq: number) => Page<Numbered> } {
  const numbers = Array.from({ length: total }, (_, at) => at + 1);
  const page = (seqs: number[], more: boolean): Page<Numbered> => ({ posts: seqs.toReversed().map((seq) => post(seq)), next_cursor: more ? String(seqs[0]) : null });
  return {
    before: (cursor) => {
      const left = cursor ? numbers.filter((seq) => seq < Number(cursor)) : numbers;
      return page(left.slice(-PAGE), left.length >= PAGE);
    },
    after: (seq) => page(numbers.filter((each) => each > seq).slice(0, PAGE), true),
  };
}

describe("a stretch of posts", () => {
  it("is never longer than allowed and never has a hole, however one reads", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 700 }), fc.array(fc.constantFrom("older", "newer", "again"), { maxLength: 25 }), (total, moves) => {
        const from = hub(total);
        let span = begin(from.before(), false);
        for (const move of moves) {
          if (move === "older" && span.older) span = earlier(span, from.before(span.older));
          if (move === "newer" && span.newer) {
            const page = from.after(span.posts.at(-1)?.seq ?? 0);
            span = later(span, page, page.posts.length === PAGE);
          }
          if (move === "again" && !span.newer) span = renewed(span, from.before());
          const seqs = span.posts.map((each) => each.seq);
          expect(seqs.length).toBeLessThanOrEqual(MOST);
          expect(seqs).toEqual(seqs.map((_, at) => seqs[0] + at));
          expect(span.newer || seqs.at(-1) === total).toBe(true);
          expect(span.older !== null || seqs[0] === 1).toBe(true);
        }
      }),
    );
  });

  it("takes what the hub says now for the newest page: what was hidden goes", () => {
    const span = begin({ posts: [post(3), post(2), post(1)], next_cursor: null }, false);

    expect(renewed(span, { posts: [post(4), post(3), post(1)], next_cursor: null }).posts.map((each) => each.seq)).toEqual([1, 3, 4]);
  });

  it("shows the same words in a row once, and says how often", () => {
    const shown = folded([post(1, "gm"), post(2, "gm"), post(3, "else"), post(4, "gm")]);

    expect(shown.map(({ post: { seq }, times, upTo }) => [seq, times, upTo])).toEqual([[1, 2, 2], [3, 1, 3], [4, 1, 4]]);
  });
});
