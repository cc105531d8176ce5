/** What this browser remembers: theme, whether single keys act, pane width, watched goals. Nothing here leaves the machine. */

export type Theme = "system" | "light" | "dark";

function remembered(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is off: the choice lasts for this page.
  }
}

export const prefs = $state({
  theme: (remembered("theme") ?? "system") as Theme,
  shortcuts: remembered("shortcuts") !== "off",
  /** Width of the pane beside the tree, in pixels. */
  pane: Math.max(260, Math.min(720, Number(remembered("pane") ?? "") || 360)),
  /** Goals whose new champions are told on every page. */
  watched: (remembered("watched") ?? "").split(",").filter(Boolean),
  /** Counts up when colours change, so that canvases draw again. */
  painted: 0,
  /** Whether the page is being printed: then nothing waits for a frame, which would come too late. */
  printing: false,
});

/** Change the theme now and for the next visit. */
export function setTheme(theme: Theme): void {
  prefs.theme = theme;
  remember("theme", theme);
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  prefs.painted += 1;
}

/** System, light, dark, and round again. */
export function nextTheme(): void {
  const order: Theme[] = ["system", "light", "dark"];
  setTheme(order[(order.indexOf(prefs.theme) + 1) % order.length]);
}

/** Switch the single-key shortcuts on or off. */
export function setShortcuts(on: boolean): void {
  prefs.shortcuts = on;
  remember("shortcuts", on ? "on" : "off");
}

/** Make the pane beside the tree this wide, also on the next visit. */
export function setPane(width: number): void {
  prefs.pane = width;
  remember("pane", String(width));
}

/** Watch a goal, or stop it. */
export function toggleWatch(goal: string): void {
  prefs.watched = prefs.watched.includes(goal) ? prefs.watched.filter((each) => each !== goal) : [...prefs.watched, goal];
  remember("watched", prefs.watched.join(","));
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (prefs.painted += 1));
// Paper is white whatever the screen is. The medium itself changes too late to draw again for it.
addEventListener("beforeprint", () => onPaper(true));
addEventListener("afterprint", () => onPaper(false));

function onPaper(now: boolean): void {
  prefs.printing = now;
  prefs.painted += 1;
}

let probe: HTMLElement | undefined;

/** A colour token as canvas understands it; canvas knows neither var() nor light-dark(). */
export function colour(token: string): string {
  if (!probe) {
    probe = document.createElement("span");
    probe.hidden = true;
    // Where a user forces colours, text has one: what is drawn would be a black plot on black. The
    // palette stays, the one for the background that the user chose.
    probe.style.forcedColorAdjust = "none";
    document.body.append(probe);
  }
  probe.style.colorScheme = prefs.printing ? "light" : matchMedia("(forced-colors: active)").matches ? "light dark" : "";
  probe.style.color = `var(--${token})`;
  return getComputedStyle(probe).color;
}
