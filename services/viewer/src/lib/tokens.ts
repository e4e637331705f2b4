/** How a token of any text is drawn so that nothing in it is invisible and nothing in it can disturb its neighbours. */

export type TokenPiece = { kind: "text" | "mark"; text: string };

export const START_OF_TEXT = "<|endoftext|>";
const REPLACEMENT = "\uFFFD";

const MARKS: Record<string, string> = { "\n": "⏎", "\r": "␍", "\t": "⇥", "\u00A0": "⍽" };

// White space other than the space, C0 and C1 controls, invisible format characters, and the bidirectional controls:
// left as they are, those last would reorder the tokens after them.
const UNSEEN =
  // eslint-disable-next-line no-control-regex -- finding control characters is the purpose
  /[\u0000-\u001F\u007F-\u00A0\u00AD\u061C\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF\uFFF9-\uFFFB]/u;

/** The pieces of a token: runs of ordinary text, and marks that stand for one unseen character each. */
export function tokenPieces(token: string): TokenPiece[] {
  const pieces: TokenPiece[] = [];
  for (const character of token) {
    const last = pieces.at(-1);
    if (UNSEEN.test(character)) pieces.push({ kind: "mark", text: markFor(character) });
    else if (character === REPLACEMENT) pieces.push({ kind: "mark", text: REPLACEMENT });
    else if (last?.kind === "text") last.text += character;
    else pieces.push({ kind: "text", text: character });
  }
  return pieces;
}

function markFor(character: string): string {
  const known = MARKS[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0) ?? 0;
  return code < 0x20 ? String.fromCodePoint(0x2400 + code) : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** A token as a quoted, unambiguous string for the tooltip: `" growth"`, `"\n"`. */
export function quoteToken(token: string): string {
  const quoted = Array.from(JSON.stringify(token), (character) =>
    UNSEEN.test(character) ? `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}` : character,
  );
  return quoted.join("");
}

/** Whether the token holds only some of the bytes of a character, which decodes to U+FFFD. */
export function isPartialCharacter(token: string): boolean {
  return token.includes(REPLACEMENT);
}

/** Whether the token is the marker that was put before the text. */
export function isStartOfText(token: string, index: number): boolean {
  return index === 0 && token === START_OF_TEXT;
}

/** A token's share of the feature's maximum for colouring: 0 stays 0, the weakest activation stays visible. */
export function heat(activation: number, maximum: number): number {
  if (activation <= 0 || maximum <= 0) return 0;
  return 0.08 + 0.92 * Math.min(1, activation / maximum);
}
