import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Follower } from "./follower.ts";
import { ago, bytes, clipped, duration, gain, identity, judge, metric, outcome, pieces, signed, words } from "./format.ts";
import { mintId } from "./posts/draft.ts";
import { acts, address, filled, fresh, lists, type Api } from "./ops/forms.ts";
import { match } from "./routes.ts";
import { readView, writeView } from "./url.ts";

const DEFAULTS = { q: "", view: "focus", sel: 0, all: false, open: [] as string[] };

describe("a card", () => {
  it("tells the gain of the number that it shows", () => {
    expect(gain({ verified_best: 0.5, best: 0.25, baseline: 1 })).toBe(-0.5);
    expect(gain({ best: 0.25, baseline: 1 })).toBe(-0.75);
    expect(gain({ baseline: 1 })).toBeNull();
  });
});

describe("a text that is too long", () => {
  it("shows where it was cut, so that no number looks like another", () => {
    expect(clipped("learning rate 0.0096", 18)).toBe("learning rate 0.0…");
    expect(clipped("learning rate 0.0096", 20)).toBe("learning rate 0.0096");
  });
});

describe("the address", () => {
  it("says the same view after a round trip", () => {
    const views = fc.record({
      q: fc.string(), view: fc.constantFrom("focus", "all", "outline"), sel: fc.integer(),
      all: fc.boolean(), open: fc.array(fc.nat().map(String)),
    });
    fc.assert(fc.property(views, (view) => void expect(readView(writeView(view, DEFAULTS), DEFAULTS)).toEqual(view)));
  });

  it("leaves defaults out", () => expect(writeView(DEFAULTS, DEFAULTS)).toBe(""));
  it("survives nonsense", () => expect(readView("?sel=abc&view=focus", DEFAULTS).sel).toBe(0));
  it("finds pages, with or without a trailing slash", () => {
    expect(match("/g/tiny_gpt/")).toEqual({ page: "goal", params: { goal: "tiny_gpt" } });
    expect(match("/m/results/a%20topic").params.topic).toBe("a topic");
    expect(match("/m/results/%E0%A4%A").params.topic).toBe("%E0%A4%A");
    expect(match("/v1/goals").page).toBe("missing");
  });
});

describe("numbers and words", () => {
  it("say what is missing", () => expect([metric(null), metric(NaN), metric(0.97712)]).toEqual(["not reported", "NaN", "0.97712"]));
  it("keep digits of what is small", () => expect([metric(0.000007), metric(-0.00004321), metric(0), metric(0.00096)]).toEqual(["0.00000700", "-0.0000432", "0.00000", "0.00096"]));
  it("can be read when they are large", () => expect([metric(99999.5), metric(1279542.21641), metric(-1279542), metric(1.0046617945831455e22), signed(-1279542.21641)]).toEqual(["99999.50000", "1,279,542.2", "-1,279,542.0", "1.00466e+22", "−1,279,542.2"]));
  it("carry their sign", () => expect([signed(-0.0008), signed(0.1), signed(-1.25e-6), signed(0)]).toEqual(["−0.00080", "+0.10000", "−0.00000125", "0.00000"]));
  it("tell a gain from noise, in the goal's direction", () => {
    expect(judge(-0.001, 0.0001, "min")).toBe("better");
    expect(judge(-0.001, 0.0001, "max")).toBe("worse");
    expect(judge(-0.001, 0.001, "min")).toBe("within noise");
    expect(judge(-0.001, null, "min", 0.002)).toBe("within noise");
  });
  it("keep durations short", () => expect([duration(7.25), duration(59), duration(7500), duration(90000)]).toEqual(["7.3 s", "59 s", "2 h 5 min", "1 d 1 h"]));
  it("tell ages", () => expect([ago(0, 2000), ago(0, 90_000)]).toEqual(["just now", "1 min ago"]));
  it("lose the marks of Markdown in a list", () => expect(words("> **Above** `0.02`: [a](http://x) ![curve](http://y)")).toBe("Above 0.02: a [picture: curve]"));
  it("leave a table's rule and every line's marks out", () => expect(words("a\n\n| x | y |\n|---|:-:|\n| 1 | 2 |\n---\n- b\n> c")).toBe("a x · y 1 · 2 b c"));
  it("say why there is no number", () => {
    expect(["failed", "running", "abandoned"].map((status) => outcome({ status }))).toEqual(["no result", "no result yet", "not reported"]);
    expect(outcome({ status: "finished", metric: 2, score: 1 })).toBe("1.00000");
  });
  it("tell sizes", () => expect([bytes(12), bytes(2048)]).toEqual(["12 B", "2.0 KB"]));
  it("give a name one colour and two letters", () => expect(identity("ada-volta")).toEqual({ slot: expect.any(Number), initials: "AV" }));
  it("show hidden characters and lose no others", () => {
    const family = "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}";
    for (const spelled of [family, "\u{1f3f3}\ufe0f\u200d\u{1f308}", "\u{1f469}\u{1f3fd}\u200d\u{1f52c}", "1\ufe0f\u20e3", "می\u200cخواهم", "क्\u200dष"]) {
      expect(pieces(spelled)).toEqual([{ text: spelled, hidden: false }]);
    }
    for (const smuggled of ["a\u200db", "x\u{e0041}", "a\ufe0fb", "\u3164", "a\u2063b", "\u200d\u{1f468}"]) {
      expect(pieces(smuggled).filter((piece) => piece.hidden)).toHaveLength(1);
    }
    expect(clipped(`ab${family}`, 4)).toBe("ab…");
    expect(clipped(`ab${family}`, 6)).toBe("ab\u{1f468}…");
    expect(pieces("a\u202eb")).toEqual([{ text: "a", hidden: false }, { text: "U+202E", hidden: true }, { text: "b", hidden: false }]);
    fc.assert(fc.property(fc.string(), (text) => pieces(text).every((piece) => piece.hidden || text.includes(piece.text))));
  });
});

describe("the cursor", () => {
  const envelope = (seq: number): string => JSON.stringify({ seq, at: "", event: { type: "run.reported" } });
  it("drops what it has seen and goes on from there", () => {
    const follower = new Follower();
    expect([5, 6, 6, 5, 7].flatMap((seq) => follower.take(envelope(seq))).map((each) => each.seq)).toEqual([5, 6, 7]);
    expect(follower.seq).toBe(7);
  });
  it("starts where the hub's greeting says, and from there again after a hub that lost its past", () => {
    const follower = new Follower();
    follower.take('{"hello":{"seq":40,"after":40}}');
    expect(follower.seq).toBe(40);
    follower.take('{"hello":{"seq":3,"after":40}}');
    expect(follower.seq).toBe(3);
  });
});

describe("what is written here", () => {
  it("gets ids that sort by time and are version 7", () => {
    const [early, late] = [mintId(1_700_000_000_000), mintId(1_700_000_000_001)];
    expect(early).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(early.slice(0, 13) < late.slice(0, 13)).toBe(true);
    expect(mintId(1)).not.toBe(mintId(1));
  });
});

describe("forms read from the API's own description", () => {
  const api: Api = {
    paths: {
      "/v1/ops/actions": { get: {}, post: { requestBody: { content: { "application/json": { schema: { discriminator: { mapping: { "goal.weigh": "#/components/schemas/WeighGoal" } } } } } } } },
      "/v1/ops/actions.csv": { get: {} },
      "/v1/ops/goals/{slug}/diff": { get: { parameters: [{ name: "slug", in: "path", required: true, schema: { type: "string" } }, { name: "base", in: "query", schema: { anyOf: [{ type: "integer" }, { type: "null" }] } }] } },
    },
    components: { schemas: { WeighGoal: { required: ["reason", "goal", "weight"], properties: { action: { const: "goal.weigh" }, reason: { type: "string" }, goal: { type: "string" }, weight: { type: "number" }, files: { type: "object" }, off: { type: "boolean", default: false } } } } },
  };

  it("asks for all but the action's name and the reason", () => {
    const [form] = acts(api);
    expect(form?.fields.map((field) => [field.name, field.kind, field.required])).toEqual([["goal", "text", true], ["weight", "number", true], ["files", "json", false], ["off", "yes", false]]);
    expect(form && filled(form, { ...fresh(form), goal: "toy" })).toBeUndefined();
    expect(form && filled(form, { ...fresh(form), goal: "toy", weight: "2", files: "{" })).toBeUndefined();
    expect(form && filled(form, { ...fresh(form), goal: "toy", weight: "2", files: '{"a": "b"}' })).toEqual({ goal: "toy", weight: 2, files: { a: "b" }, off: false });
  });
  it("fills an address, blanks first", () => {
    const [, diff] = lists(api);
    expect(lists(api).map((list) => list.name)).toEqual(["actions", "goals/{slug}/diff"]);
    expect(diff && address(diff, { slug: "a/b", base: 2 })).toBe("/v1/ops/goals/a%2Fb/diff?base=2");
  });
});
