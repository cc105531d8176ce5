/** History-API router: every link is a plain `<a href>`, so middle-click and copy just work. */
import { match } from "./routes.ts";
import { came, entered, named, startScrolling } from "./scroll.ts";
import { readView, writeView, type View } from "./url.ts";

export const place = $state({ path: location.pathname, search: location.search, visit: 0 });

const current = $derived(match(place.path));

/** The page that the address names, with its parameters. */
export const route = (): ReturnType<typeof match> => current;

/** Go to an address of this board. `replace` keeps the history short while somebody types. */
export function go(href: string, replace = false): void {
  const url = new URL(href, location.href);
  const moved = url.pathname !== place.path;
  history[replace ? "replaceState" : "pushState"](entered(replace), "", url.pathname + url.search + url.hash);
  sync();
  if (moved) {
    place.visit += 1;
    scrollTo(0, 0);
    named();
  }
}

/** Put a view into the address of this page. */
export function show<T extends View>(view: T, defaults: T, replace = false): void {
  go(place.path + writeView(view, defaults), replace);
}

/** The view that the address describes. */
export const view = <T extends View>(defaults: T): T => readView(place.search, defaults);

function sync(): void {
  place.path = location.pathname;
  place.search = location.search;
}

/** Follow links of this board without a reload; everything else is the browser's. */
export function follow(event: MouseEvent): void {
  const anchor = (event.target as Element | null)?.closest?.("a");
  if (!anchor || !mine(event, anchor)) return;
  event.preventDefault();
  go(anchor.href);
}

function mine(event: MouseEvent, anchor: HTMLAnchorElement): boolean {
  const modified = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (event.defaultPrevented || event.button !== 0 || modified) return false;
  if (anchor.target || anchor.hasAttribute("download") || anchor.origin !== location.origin) return false;
  const samePageAnchor = anchor.hash !== "" && anchor.pathname === place.path;
  return !samePageAnchor && match(anchor.pathname).page !== "missing";
}

/** Listen to clicks and to the browser's back and forward. */
export function startRouter(): void {
  startScrolling();
  addEventListener("popstate", () => {
    sync();
    came();
  });
  document.addEventListener("click", follow);
}
