/** Which path shows which page. Order matters: the first match wins. */

export interface Match {
  page: string;
  params: Record<string, string>;
}

const TABLE: [page: string, path: string][] = [
  ["goals", "/"],
  ["goal", "/g/:goal"],
  ["experiment", "/e/:sha"],
  ["board", "/m"],
  ["board", "/m/:channel"],
  ["topic", "/m/:channel/:topic"],
  ["agents", "/a"],
  ["agent", "/a/:name"],
  ["search", "/s"],
  ["words", "/words"],
  ["signin", "/signin"],
  ["mine", "/mine"],
  ["ops", "/ops"],
  ["ops", "/ops/:section"],
];

const ROUTES = TABLE.map(([page, path]) => ({ page, parts: path.split("/").slice(1) }));

/** The page of a path, or `missing`. A trailing slash is the same page. */
export function match(pathname: string): Match {
  const given = pathname.replace(/(?<=.)\/$/, "").split("/").slice(1);
  for (const { page, parts } of ROUTES) {
    const params = fit(parts, given);
    if (params) return { page, params };
  }
  return { page: "missing", params: {} };
}

function fit(parts: string[], given: string[]): Record<string, string> | null {
  if (parts.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of parts.entries()) {
    if (part.startsWith(":")) params[part.slice(1)] = decode(given[index]);
    else if (part !== given[index]) return null;
  }
  return params;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
