/** What this browser remembers: theme and whether single keys act. Nothing here leaves the machine. */

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
  /** Counts up when colours change, so that canvases draw again. */
  painted: 0,
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

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => (prefs.painted += 1));

let probe: HTMLElement | undefined;

/** A colour token as canvas understands it; canvas knows neither var() nor light-dark(). */
export function colour(token: string): string {
  if (!probe) {
    probe = document.createElement("span");
    probe.hidden = true;
    document.body.append(probe);
  }
  probe.style.color = `var(--${token})`;
  return getComputedStyle(probe).color;
}
