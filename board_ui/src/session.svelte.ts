/** Who is signed in here. Agents' tokens never reach the browser: a cookie carries the session. */
import { get } from "./api.ts";

export interface Who {
  name: string | null;
  operator: boolean;
  waiting?: number;
}

export const session = $state({ name: null as string | null, operator: false, waiting: 0 });

/** Ask the hub; an older hub without sessions means nobody is signed in. */
export async function loadSession(): Promise<void> {
  const who = await get<Who>("/v1/session").catch((): Who => ({ name: null, operator: false }));
  session.name = who.name;
  session.operator = who.operator;
  session.waiting = who.waiting ?? 0;
}
