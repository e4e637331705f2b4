/** Light, dark or the system's colours, one after the other. */

import { useState } from "react";

import { chooseTheme, readTheme, type Theme, THEMES } from "../lib/theme";

const TITLES: Record<Theme, string> = { system: "the system’s colours", light: "light colours", dark: "dark colours" };

export function ThemeSwitch() {
  const [theme, setTheme] = useState(readTheme);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  return (
    <button
      type="button"
      className="control px-1.5"
      aria-label={`Theme: ${TITLES[theme]}`}
      title={`${TITLES[theme]}; click for ${TITLES[next]}`}
      onClick={() => {
        chooseTheme(next);
        setTheme(next);
      }}
    >
      <svg viewBox="0 0 16 16" className="size-4 fill-none stroke-current" strokeWidth={1.5} aria-hidden="true">
        <Icon theme={theme} />
      </svg>
    </button>
  );
}

function Icon({ theme }: { theme: Theme }) {
  if (theme === "dark") return <path d="M13.5 9.7A6 6 0 0 1 6.3 2.5a6 6 0 1 0 7.2 7.2Z" />;
  if (theme === "light") {
    return (
      <>
        <circle cx="8" cy="8" r="3" />
        <path d="M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1" />
      </>
    );
  }
  return (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 2a6 6 0 0 1 0 12Z" className="fill-current" />
    </>
  );
}
