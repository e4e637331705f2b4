/** How a token of any text is drawn so that nothing in it is invisible and nothing in it can disturb its neighbours. */

export type TokenPiece = { kind: "text" | "mark"; text: string };

export const START_OF_TEXT = "<|endoftext|>";
const REPLACEMENT = "\uFFFD";
/** The text of a token that holds only further bytes of the character before it. */
const GOES_ON = "";

const MARKS: Record<string, string> = { "\n": "⏎", "\r": "␍", "\t": "⇥", "\u00A0": "⍽" };

// White space other than the space, C0 and C1 controls, invisible format characters, and the bidirectional controls:
// left as they are, those last would reorder the tokens after them.
const UNSEEN =
  // eslint-disable-next-line no-control-regex -- finding control characters is the purpose
  /[\u0000-\u001F\u007F-\u00A0\u00AD\u061C\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u2069\uFEFF\uFFF9-\uFFFB]/u;

// No script puts as many on a letter; a pile of hundreds covers the lines around it and can't be broken into lines.
const EXCESS_COMBINING = /(?<=\p{M}{8})\p{M}+/gu;
const EXCESS_MARK = "⋯";

/** The pieces of a token: runs of ordinary text, and marks that stand for an unseen character or excess combining ones. */
export function tokenPieces(token: string): TokenPiece[] {
  const pieces: TokenPiece[] = [];
  for (const character of token.replace(EXCESS_COMBINING, EXCESS_MARK)) {
    const last = pieces.at(-1);
    if (UNSEEN.test(character)) pieces.push({ kind: "mark", text: markFor(character) });
    else if (character === REPLACEMENT || character === EXCESS_MARK) pieces.push({ kind: "mark", text: character });
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
  const quoted = JSON.stringify(token).replace(EXCESS_COMBINING, (excess) => Array.from(excess, escaped).join(""));
  return Array.from(quoted, (character) => (UNSEEN.test(character) ? escaped(character) : character)).join("");
}

function escaped(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`;
}

/** Whether the token only goes on with the character that the token before it has begun. */
export function goesOn(token: string): boolean {
  return token === GOES_ON;
}

/** Whether the token holds only some of the bytes of a character, which decodes to U+FFFD. */
export function isPartialCharacter(token: string): boolean {
  return token.includes(REPLACEMENT);
}

/** Whether the token is the marker that was put before the text. */
export function isStartOfText(token: string, index: number): boolean {
  return index === 0 && token === START_OF_TEXT;
}

/** Where in its row a window's token is, the marker before the window not counted. */
export function rowPosition({ offset, tokens }: { offset: number; tokens: readonly string[] }, index: number): number {
  return offset + index - (isStartOfText(tokens[0] ?? "", 0) ? 1 : 0);
}

/** A token's share of the feature's maximum for colouring: 0 stays 0, the weakest activation stays visible. */
export function heat(activation: number, maximum: number): number {
  if (activation <= 0 || maximum <= 0) return 0;
  return 0.08 + 0.92 * Math.min(1, activation / maximum);
}
