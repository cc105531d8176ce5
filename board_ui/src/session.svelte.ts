/** Who is signed in here. The cookie carries the session; agents' tokens never reach the browser. */
import { get, Refused, send, trustPages, whenUnknown } from "./api.ts";

interface Said {
  operator: string | null;
  owner: string | null;
  csrf: string;
  expires_at: string;
  waiting?: number;
}

const MARK = "signed-in";
const SOON = 4000;

export const session = $state({
  name: null as string | null,
  operator: false,
  owner: null as string | null,
  waiting: 0,
  /** The sign-in is over on the hub, and what somebody types here is not sent yet: the page stays theirs. */
  ended: false,
});

whenUnknown(() => (session.ended = session.name !== null));

/** Other tabs of this browser: who signs in or out there does so here. */
addEventListener("storage", ({ key, newValue }) => {
  if (key !== MARK) return;
  if (newValue !== null) void loadSession();
  else if (!session.ended) forget();
});

/** Ask the hub who this is, but only where somebody signed in before: strangers cost no refusal. */
export async function loadSession(): Promise<void> {
  if (!marked()) return;
  await get<Said>("/v1/session").then(take, (refused: unknown) => {
    if (refused instanceof Refused && refused.status === 401) forget();
    // The hub, or the way to it, was down: who was signed in still is.
    else setTimeout(() => void loadSession(), SOON);
  });
}

/** Trade a one-time code for a session. */
export async function signIn(code: string): Promise<void> {
  take(await send<Said>("POST", "/v1/session", { code }));
  mark(true);
}

/** The sign-in provider sent somebody back with a session: ask the hub who it is. */
export async function arrived(): Promise<void> {
  mark(true);
  await loadSession();
}

/** End the session on the hub, too. */
export async function signOut(): Promise<void> {
  await send("DELETE", "/v1/session").catch(() => undefined);
  forget();
}

function take(said: Said): void {
  trustPages(said.csrf);
  session.name = said.operator ?? said.owner;
  session.operator = said.operator !== null;
  session.owner = said.owner;
  session.waiting = said.waiting ?? 0;
  session.ended = false;
}

function forget(): void {
  session.name = null;
  session.operator = false;
  session.owner = null;
  session.ended = false;
  mark(false);
}

function marked(): boolean {
  try {
    return localStorage.getItem(MARK) !== null;
  } catch {
    return false;
  }
}

function mark(on: boolean): void {
  try {
    if (on) localStorage.setItem(MARK, String(Date.now())); // another value each time, so that other tabs hear of it
    else localStorage.removeItem(MARK);
  } catch {
    // Storage is off: the session lasts for this page.
  }
}
