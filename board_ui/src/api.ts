/** Talk to the hub: JSON in, JSON out; a refusal is an error that carries the hub's own sentence. */

/** What the hub (or the network) said instead of an answer. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly status: number,
    readonly request: string = "",
    readonly data: Record<string, unknown> = {},
    /** Seconds to wait before another try. */
    readonly wait: number = 0,
  ) {
    super(message);
  }

  /** The hub, or the way to it, was down: the same question may be answered later. */
  get away(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

const OFFLINE = "The hub did not answer. It may be restarting, or this machine is offline.";

/** GET a JSON resource. */
export function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return ask<T>(path, signal ? { signal } : {});
}

/** Send JSON with the operator's or human's session; the CSRF token travels in a header. */
export function send<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const headers: Record<string, string> = { "X-CSRF-Token": csrf };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return ask<T>(path, {
    method,
    headers,
    ...(signal ? { signal } : {}),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function ask<T>(path: string, init: RequestInit): Promise<T> {
  const response = await fetch(path, init).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(OFFLINE, "offline", 0);
  });
  if (response.status === 401) unknown();
  if (!response.ok) throw await refusal(response);
  return response.status === 204 ? (undefined as T) : ((await response.json()) as T);
}

async function refusal(response: Response): Promise<Refused> {
  const request = response.headers.get("x-request-id") ?? "";
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  const said = [body.detail, body.title].find((text) => typeof text === "string" && text !== "");
  const sentence = (said as string | undefined) ?? `The hub answered ${response.status}.`;
  return new Refused(
    sentence,
    typeof body.code === "string" ? body.code : "unknown",
    response.status,
    typeof body.request_id === "string" && body.request_id ? body.request_id : request,
    (body.data as Record<string, unknown> | undefined) ?? {},
    Number(response.headers.get("retry-after") ?? 0) || 0,
  );
}

let unknown = (): void => undefined;

/** Hear that the hub did not know who asked. */
export function whenUnknown(run: () => void): void {
  unknown = run;
}

let csrf = "";

/** Remember the token that proves to the hub that a change comes from its own pages. */
export function trustPages(token: string): void {
  csrf = token;
}

/** A query string of what is set; `undefined`, null and "" stay out. */
export function query(values: Record<string, string | number | boolean | null | undefined>): string {
  const set = Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(set.map(([key, value]) => [key, String(value)])).toString();
  return text ? `?${text}` : "";
}
