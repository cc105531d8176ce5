/** The URL is the state: path = thing, query = view. Defaults are left out, so links stay short. */

export type View = Record<string, string | number | boolean | string[]>;

/** Read a view's values from a query string; what is missing or of the wrong kind is the default. */
export function readView<T extends View>(search: string, defaults: T): T {
  const query = new URLSearchParams(search);
  const entries = Object.entries(defaults).map(([key, fallback]) => [
    key,
    query.has(key) ? parse(query.get(key) ?? "", fallback) : fallback,
  ]);
  return Object.fromEntries(entries) as T;
}

/** Write a view as a query string, `?` included; empty when everything is the default. */
export function writeView<T extends View>(view: T, defaults: T): string {
  const query = new URLSearchParams();
  for (const [key, fallback] of Object.entries(defaults)) {
    const text = format(view[key] ?? fallback);
    if (text !== format(fallback)) query.set(key, text);
  }
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return text ? `?${text}` : "";
}

function parse<V extends View[string]>(text: string, fallback: V): View[string] {
  if (typeof fallback === "number") {
    const number = Number(text);
    return text !== "" && Number.isFinite(number) ? number : fallback;
  }
  if (typeof fallback === "boolean") return text === "1" || text === "true";
  if (Array.isArray(fallback)) return text === "" ? [] : text.split(",");
  return text;
}

function format(value: View[string]): string {
  if (typeof value === "boolean") return value ? "1" : "0";
  return Array.isArray(value) ? value.join(",") : String(value);
}
