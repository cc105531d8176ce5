/** One socket for the whole page: events by cursor, reconnect with jitter, pause when nobody looks. */
import { Follower, type Envelope } from "./follower.ts";

export type { Envelope, LiveEvent } from "./follower.ts";

type Listener = (envelope: Envelope) => void;

const HIDDEN_GRACE = 60_000;
const QUIET_LIMIT = 45_000;

export const live = $state({
  state: "connecting" as "connecting" | "live" | "offline" | "paused",
  seq: -1,
  since: 0,
  attempts: 0,
});

/** Where a lease's holder is, as its heartbeat just said; told to whoever listens now, never kept. */
export interface Progress {
  lease: string;
  goal: string;
  phase: string;
  fraction: number;
  step: number;
  loss: number | null;
  eta_seconds: number | null;
}

const listeners = new Set<Listener>();
const eavesdroppers = new Set<(progress: Progress) => void>();
const follower = new Follower();
let socket: WebSocket | undefined;
let retry: ReturnType<typeof setTimeout> | undefined;
let asleep: ReturnType<typeof setTimeout> | undefined;
let quiet: ReturnType<typeof setTimeout> | undefined;

/** Hear every event from now on; returns how to stop. */
export function hear(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Hear heartbeats from now on; returns how to stop. */
export function overhear(listener: (progress: Progress) => void): () => void {
  eavesdroppers.add(listener);
  return () => eavesdroppers.delete(listener);
}

/** Open the socket and keep it open. */
export function startLive(): void {
  connect();
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("online", reconnectNow);
}

/** Stop or resume the stream by hand; what was missed is caught up by the cursor. */
export function togglePause(): void {
  if (live.state === "paused") reconnectNow();
  else {
    live.state = "paused";
    hangUp();
  }
}

/** Try at once instead of waiting for the back-off. */
export function reconnectNow(): void {
  live.attempts = 0;
  hangUp();
  connect();
}

function connect(): void {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const cursor = follower.seq >= 0 ? `?after=${follower.seq}` : "";
  if (live.state === "paused") live.state = "connecting";
  const opened = new WebSocket(`${scheme}//${location.host}/v1/live${cursor}`);
  socket = opened;
  opened.onopen = () => {
    live.state = "live";
    live.attempts = 0;
    listen();
  };
  opened.onmessage = (message) => receive(String(message.data));
  opened.onclose = () => {
    if (socket === opened) lost();
  };
}

function receive(text: string): void {
  listen();
  if (text.startsWith('{"progress":')) {
    const { progress } = JSON.parse(text) as { progress: Progress };
    for (const listener of eavesdroppers) listener(progress);
    return;
  }
  for (const envelope of follower.take(text)) {
    for (const listener of listeners) listener(envelope);
  }
  live.seq = follower.seq;
}

/** A socket that a proxy dropped silently never closes: silence beyond the hub's pings ends it. */
function listen(): void {
  clearTimeout(quiet);
  quiet = setTimeout(() => socket?.close(), QUIET_LIMIT * 4);
}

function lost(): void {
  socket = undefined;
  clearTimeout(quiet);
  if (live.state === "paused") return;
  if (live.state !== "offline") live.since = Date.now();
  live.state = "offline";
  live.attempts += 1;
  const ceiling = Math.min(15_000, 500 * 2 ** live.attempts);
  retry = setTimeout(connect, Math.random() * ceiling);
}

function hangUp(): void {
  clearTimeout(retry);
  clearTimeout(quiet);
  const old = socket;
  socket = undefined;
  old?.close();
}

function onVisibility(): void {
  clearTimeout(asleep);
  if (document.hidden) asleep = setTimeout(hangUp, HIDDEN_GRACE);
  else if (!socket && live.state !== "paused") reconnectNow();
}
