/** What this browser remembers between visits, whatever the run. The view itself is in the URL, never here. */

type Preference = "theme" | "notice";

const key = (name: Preference) => `saescope-${name}`;

/** What was remembered; null if nothing was, or if this browser keeps nothing. */
export function readPreference(name: Preference): string | null {
  try {
    return localStorage.getItem(key(name));
  } catch {
    return null; // storage is forbidden here
  }
}

/** Remember a value; where storage is forbidden or full the choice lasts as long as the page. */
export function writePreference(name: Preference, value: string): void {
  try {
    localStorage.setItem(key(name), value);
  } catch {
    // nothing that the reader could or should do about it
  }
}
