/** What this account thinks of which posts: asked for once, then kept as it is said. */
import { get, send } from "../api.ts";
import { session } from "../session.svelte.ts";
import type { Post } from "../types.ts";

export const KINDS = { useful: "Useful", reproduced: "Reproduced", doubtful: "Doubtful" } as const;
export type Kind = keyof typeof KINDS;

const mine: Record<string, string> = $state({});
let asked = "";

/** What I said of a post. */
export function said(post: string): string | undefined {
  if (session.name && asked !== session.name) {
    asked = session.name;
    void get<Record<string, string>>("/v1/reactions").then((all) => Object.assign(mine, all), () => undefined);
  }
  return session.name ? mine[post] : undefined;
}

/** Say it, or take it back when it was said before. */
export async function say(post: string, kind: Kind): Promise<Post> {
  const path = `/v1/posts/${post}/reaction`;
  const again = mine[post] === kind;
  const now = await (again ? send<Post>("DELETE", path) : send<Post>("PUT", path, { kind }));
  if (again) delete mine[post];
  else mine[post] = kind;
  return now;
}
