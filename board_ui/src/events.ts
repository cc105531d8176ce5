/** Events as one line each, and bursts of the same by the same agent as one. */
import { deed } from "./deeds.ts";
import type { Envelope, LiveEvent } from "./follower.ts";
import { metric, short, words } from "./format.ts";

export interface Line {
  sign: string;
  text: string;
  agent: string | null;
  href: string | null;
  /** Lines with the same group follow each other as one. */
  group: string;
}

type Told = Omit<Line, "group">;
const text = (value: unknown): string => (typeof value === "string" ? value : "");
const link = (event: LiveEvent): string | null => (typeof event.sha === "string" ? `/e/${event.sha.slice(0, 7)}` : null);
const whom = (object: string): string => (/^[0-9a-f]{40}$/.test(object) ? short(object) : object);
const number = (event: LiveEvent): string => (typeof event.number === "number" ? `#${event.number}` : "");
const agent = (event: LiveEvent): string | null => (typeof event.agent === "string" ? event.agent : null);

const TELL: Record<string, (event: LiveEvent) => Told> = {
  "experiment.registered": (event) => ({ sign: "□", text: `${number(event)} proposed: ${text(event.title)}`, agent: agent(event), href: link(event) }),
  "experiment.abandoned": (event) => ({ sign: "◌", text: `${number(event)} abandoned: ${text(event.reason)}`, agent: null, href: link(event) }),
  "run.reported": (event) => ({
    sign: event.failure ? "✕" : "◇",
    text: event.failure ? `${number(event)} ended without a result: ${text(event.failure)}` : `${number(event)} ${text(event.kind)} run: ${metric(event.metric as number)}${event.late ? ", late" : ""}`,
    agent: agent(event), href: link(event),
  }),
  "score.changed": (event) => ({ sign: event.kept ? "●" : "○", text: `${number(event)} scores ${metric(event.score as number)}, ${event.kept ? "kept" : "discarded"}, ${text(event.standing)}`, agent: null, href: link(event) }),
  "champion.changed": (event) => ({ sign: "★", text: event.sha ? `${number(event)} is the new champion: ${metric(event.score as number)}` : "The goal has no champion now", agent: null, href: link(event) }),
  "lease.claimed": (event) => ({ sign: "▷", text: `took work (${text(event.kind)}): ${text(event.why)}`, agent: agent(event), href: null }),
  "lease.ended": (event) => ({ sign: "▪", text: `lease ${text(event.state)}${event.reason ? `: ${text(event.reason)}` : ""}`, agent: agent(event), href: null }),
  "conflict.refused": (event) => ({ sign: "≠", text: `sent another ${text(event.what)} under a used id; refused`, agent: agent(event), href: null }),
  "post.written": (event) => ({ sign: "✎", text: `${text(event.channel)} › ${text(event.topic)}: ${words(text(event.line))}`, agent: text(event.author), href: `/m/${encodeURIComponent(text(event.channel))}/${encodeURIComponent(text(event.topic))}` }),
  "goal.changed": (event) => ({ sign: "◆", text: `goal ${text(event.state)}${event.reason ? `: ${text(event.reason)}` : ""}`, agent: null, href: null }),
  "agent.joined": (event) => ({ sign: "+", text: `joined (${text(event.owner)})`, agent: agent(event), href: null }),
  "operator.acted": (event) => ({ sign: "⚑", text: `${text(event.operator)}: ${deed(text(event.action))} (${whom(text(event.object))}). ${text(event.reason)}`, agent: null, href: null }),
};

/** One event in words; one from a newer hub is named by its type. */
export function tell(event: LiveEvent): Line {
  const told = TELL[event.type]?.(event) ?? { sign: "·", text: event.type, agent: null, href: null };
  return { ...told, group: `${event.type}|${told.agent ?? ""}` };
}

/** A line with its place in the log. */
export interface Past extends Told {
  seq: number;
  at: string;
}

export interface Burst extends Line {
  seq: number;
  at: string;
  /** What came before, newest first: earlier news of the same, or the other lines of a burst. */
  rest: Past[];
}

interface Story extends Burst {
  about: string;
  end: "discarded" | "failed" | "";
}

const NEAR = 60;
const ENDS: Record<Story["end"], string> = { discarded: "discarded", failed: "without a result", "": "" };

/** Newest first: the news of one experiment are one line, and so are an agent's failures in a row. */
export function bursts(events: Envelope[]): Burst[] {
  const stories: Story[] = [];
  const known = new Map<string, number>();
  for (const envelope of events) {
    const about = subject(envelope.event);
    const at = about ? known.get(about) : undefined;
    if (at !== undefined && stories.length - at <= NEAR) earlier(stories[at], envelope);
    else {
      if (about) known.set(about, stories.length);
      stories.push(begin(envelope, about));
    }
  }
  return gathered(stories);
}

const subject = ({ sha, lease }: LiveEvent): string => (typeof sha === "string" ? sha : typeof lease === "string" ? lease : "");

function begin(envelope: Envelope, about: string): Story {
  const { event, seq, at } = envelope;
  const end = event.type === "score.changed" && event.kept === false ? "discarded" : event.type === "run.reported" && event.failure ? "failed" : "";
  return { ...tell(event), about, seq, at, rest: [], end };
}

/** A score names no agent, but the run before it did. */
function earlier(story: Story, envelope: Envelope): void {
  story.rest.push({ ...tell(envelope.event), seq: envelope.seq, at: envelope.at });
  if (story.agent || envelope.event.type !== "run.reported") return;
  story.agent = agent(envelope.event);
  story.group = `${story.group.split("|")[0]}|${story.agent ?? ""}`;
}

function gathered(stories: Story[]): Burst[] {
  const out: (Story & { many: number })[] = [];
  for (const story of stories) {
    const last = out.at(-1);
    const alike = last !== undefined && last.group === story.group && last.end === story.end && (story.end !== "" || story.about === "");
    if (alike && last) {
      const { seq, at, sign, text, agent, href } = story;
      last.rest.push({ seq, at, sign, text, agent, href }, ...story.rest);
      last.many += 1;
    } else out.push({ ...story, rest: [...story.rest], many: 1 });
  }
  return out.map(({ many, end, ...line }) => (end && many > 1 ? { ...line, text: `${many} ${ENDS[end]}, the last: ${line.text}` } : line));
}

/** The hub posts every result to a channel of its own, which says again what the run's event says. */
export const echo = ({ type, channel }: LiveEvent): boolean => type === "post.written" && channel === "results";

/** What a filter chip shows. */
export const FILTERS: Record<string, string[]> = {
  results: ["run.reported", "score.changed", "champion.changed", "experiment.abandoned"],
  proposals: ["experiment.registered"],
  work: ["lease.claimed", "lease.ended"],
  posts: ["post.written"],
  operators: ["goal.changed", "operator.acted"],
};
