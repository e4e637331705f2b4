/** Which colours the reader chose. styles.css says what they are; theme-at-start.ts sets them before the first paint. */

import { readPreference, writePreference } from "./preferences";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

/** The chosen theme, and the system's if nothing was chosen. */
export function readTheme(): Theme {
  const chosen = readPreference("theme");
  return THEMES.find((theme) => theme === chosen) ?? "system";
}

/** Show a theme from now on, and remember it. */
export function chooseTheme(theme: Theme): void {
  const { dataset } = document.documentElement;
  if (theme === "system") delete dataset["theme"];
  else dataset["theme"] = theme;
  writePreference("theme", theme);
}
