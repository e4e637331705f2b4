/** Every key that does something, by where it does. `useShortcuts` takes no key that isn't here, so the help is whole. */

type Shortcut = { keys: readonly string[]; does: string };

export const SHORTCUTS = [
  {
    where: "Everywhere",
    shortcuts: [
      { keys: ["?"], does: "show this help" },
      { keys: ["/", "Ctrl K"], does: "search for a feature’s number or label, a token, or a phrase" },
      { keys: ["Escape"], does: "close this help, or what a token or a term shows" },
    ],
  },
  {
    where: "Lists of features, of rows and of runs",
    shortcuts: [
      { keys: ["j", "k"], does: "next and previous entry" },
      { keys: ["ArrowDown", "ArrowUp"], does: "the same, from an entry" },
      {
        keys: ["Home", "End", "PageUp", "PageDown"],
        does: "to the ends, or by a screenful, from a feature in the list of all",
      },
      { keys: ["Enter"], does: "open the entry" },
    ],
  },
  {
    where: "A feature, or a row of the dataset",
    shortcuts: [
      { keys: ["j", "k"], does: "next and previous feature of the list, or row" },
      {
        keys: ["ArrowRight", "ArrowLeft"],
        does: "the same; in a text from token to token, in the histogram from bin to bin, and from tab to tab",
      },
      {
        keys: ["ArrowDown", "ArrowUp", "End", "Home"],
        does: "in a feature’s texts from text to text, to the text’s row, and back to its token",
      },
      { keys: ["Enter"], does: "select the token, in a row’s text; choose the band, in a feature’s histogram" },
      { keys: ["s", "l"], does: "star the feature, or write its label" },
    ],
  },
] as const satisfies readonly { where: string; shortcuts: readonly Shortcut[] }[];

/** A key as KeyboardEvent.key names it. */
export type ShortcutKey = (typeof SHORTCUTS)[number]["shortcuts"][number]["keys"][number];

const NAMES: Record<string, string> = {
  ArrowDown: "↓",
  ArrowUp: "↑",
  ArrowRight: "→",
  ArrowLeft: "←",
  Escape: "Esc",
  PageUp: "Page ↑",
  PageDown: "Page ↓",
};

/** What is written on the key. */
export function keyName(key: string): string {
  return NAMES[key] ?? key;
}
