/** The part of a text in which something was found, and where in it. Knows nothing of how it is drawn. */

export type Part = { text: string; isMatch: boolean };

const BEFORE = 60; // characters that stay before the first match

/**
 * The text in parts, matches and what is between them, whatever the case; what is far before the first match is left out.
 *
 * Case is ignored as the API does it, by Unicode's simple case folding, which is what the flags `iu` mean.
 */
export function excerpt(text: string, wanted: string | null, before = BEFORE): Part[] {
  if (wanted === null) return [{ text, isMatch: false }];
  // one more than matches: with a group, split gives what is between and what was found by turns
  const parts = text.split(new RegExp(`(${literal(wanted)})`, "iu"));
  return parts
    .map((part, position) => ({
      text: position === 0 && parts.length > 1 ? lastOf(part, before) : part,
      isMatch: position % 2 === 1,
    }))
    .filter((part) => part.text !== "");
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function lastOf(text: string, before: number): string {
  const characters = Array.from(text);
  return characters.length <= before ? text : `…${characters.slice(-before).join("")}`;
}
