/** Words that are not sent yet, kept for this tab; and ids for what is sent. */

const name = (key: string): string => `draft:${key}`;

/** What was typed here before, or nothing. */
export function draft(key: string): string {
  try {
    return sessionStorage.getItem(name(key)) ?? "";
  } catch {
    return "";
  }
}

/** Keep what is typed; an empty text is forgotten. */
export function keepDraft(key: string, text: string): void {
  try {
    if (text === "") sessionStorage.removeItem(name(key));
    else sessionStorage.setItem(name(key), text);
  } catch {
    // Storage is off: the words last for this page.
  }
}

/** A UUIDv7: time first, so that rows lie in the order in which they were written.
 * `crypto.randomUUID` is missing where the board is read without https. */
export function mintId(now = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let at = 0; at < 6; at++) bytes[at] = Math.floor(now / 2 ** (8 * (5 - at))) & 0xff;
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
