/** The part of a text around the first searched word, so that a list of hits stays a list. */

const BEFORE = 60;

export function excerpt(text: string, words: string[], most = 280): string {
  const plain = text.replace(/\s+/g, " ").trim();
  const lower = plain.toLowerCase();
  const places = words.filter((word) => word.length > 1).map((word) => lower.indexOf(word.toLowerCase())).filter((at) => at >= 0);
  const first = places.reduce((least, at) => Math.min(least, at), Infinity);
  const start = first === Infinity || first < BEFORE * 2 ? 0 : first - BEFORE;
  const end = Math.min(plain.length, start + most);
  return `${start > 0 ? "… " : ""}${plain.slice(start, end)}${end < plain.length ? " …" : ""}`;
}
