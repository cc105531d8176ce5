/** Where a page is scrolled to. The browser forgets: when it goes back, the page has no rows yet. */

interface Entry {
  at: number;
}

const KEY = "scrolled";
/** So long a page may grow under a place that is held. */
const PATIENCE = 4000;
const BY_HAND = ["wheel", "touchstart", "pointerdown", "keydown"];
/** The bar at the top, and a little air. */
const BAR = 70;

const places = load();
let entry = 0;
let release: (() => void) | undefined;

function load(): Record<number, number> {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "{}") as Record<number, number>;
  } catch {
    return {};
  }
}

function save(): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(Object.fromEntries(Object.entries(places).slice(-200))));
  } catch {
    // Storage is off: places last for this page.
  }
}

/** Begin to remember places, and go to where this entry of the history was. */
export function startScrolling(): void {
  history.scrollRestoration = "manual";
  addEventListener("scroll", () => release ?? (places[entry] = scrollY), { passive: true });
  addEventListener("pagehide", save);
  came();
}

/** The state of a new entry of the history, or of the one that is replaced. */
export function entered(replaced: boolean): Entry {
  if (!replaced) {
    release?.();
    entry = Date.now();
    places[entry] = scrollY;
  }
  return { at: entry };
}

/** The browser went to another entry, or opened one: back to where it was, or to what its address names. */
export function came(): void {
  release?.();
  const known = (history.state as Entry | null)?.at;
  entry = known ?? Date.now();
  if (known === undefined) history.replaceState({ at: entry }, "");
  const y = places[entry];
  if (y) hold(() => y);
  else if (y === 0) scrollTo(0, 0);
  else named();
}

/** Go to what the address names behind its `#`, once it is there. */
export function named(): void {
  const id = decode(location.hash.slice(1));
  if (id) holdPart(id);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Whether the page is being brought to a place now. */
export const held = (): boolean => release !== undefined;

/** Stay at a part of the page while what is above it still comes. */
export const holdPart = (id: string): void =>
  hold(() => {
    const part = document.getElementById(id);
    return part ? part.getBoundingClientRect().top + scrollY - BAR : undefined;
  });

/** Stay at a place while the page grows, until somebody moves. */
function hold(place: () => number | undefined): void {
  release?.();
  const bring = (): void => {
    const y = place();
    if (y !== undefined) scrollTo(0, y);
  };
  const grown = new ResizeObserver(bring);
  const end = (): void => {
    grown.disconnect();
    clearTimeout(timer);
    for (const kind of BY_HAND) removeEventListener(kind, end, true);
    release = undefined;
    places[entry] = scrollY;
  };
  const timer = setTimeout(end, PATIENCE);
  for (const kind of BY_HAND) addEventListener(kind, end, { capture: true, passive: true });
  release = end;
  grown.observe(document.body);
  bring();
}
