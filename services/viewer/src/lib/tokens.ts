/** How a token of any text is drawn so that nothing in it is invisible and nothing in it can disturb its neighbours. */

export type TokenPiece = { kind: "text" | "mark"; text: string };

/** What tokenizers call the marker before a text. */
const STARTS_OF_TEXT = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|begin_of_text|>",
  "<|startoftext|>",
  "<｜begin▁of▁sentence｜>",
  "<bos>",
  "<s>",
];
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

/** What is read out for a token of which nothing is drawn that has a name; undefined: the token itself is read. */
export function nameOfUnseen(token: string): string | undefined {
  if (goesOn(token)) return "more bytes of the character before";
  return token.trim() === "" ? quoteToken(token) : undefined;
}

/** Whether the token holds only some of the bytes of a character, which decodes to U+FFFD. */
export function isPartialCharacter(token: string): boolean {
  return token.includes(REPLACEMENT);
}

/** Whether the token is the marker that was put before the text. */
export function isStartOfText(token: string, index: number): boolean {
  return index === 0 && STARTS_OF_TEXT.includes(token);
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

/** Whether the text is read from right to left: whether its first letter is. */
export function isRightToLeft(tokens: readonly string[]): boolean {
  const [letter = ""] = /\p{L}/u.exec(tokens.slice(isStartOfText(tokens[0] ?? "", 0) ? 1 : 0).join("")) ?? [];
  return /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC]|\uD83A[\uDC00-\uDFFF]|\uD802[\uDC00-\uDFFF]/.test(letter);
}

/** A word of which a token is a part: what is before the token in it, and after. */
export type Word = { before: string; token: string; after: string };

/** The word around a token; null where the token is all of it. */
export function wordAround(tokens: readonly string[], index: number): Word | null {
  const token = tokens[index] ?? "";
  if (!/\p{L}/u.test(token)) return null;
  let before = "";
  for (let place = index - 1; place >= 0 && /^\p{L}/u.test(before || token); place -= 1) {
    if (goesOn(tokens[place] ?? "")) continue;
    const [end = ""] = /\s?[\p{L}\p{M}]+$/u.exec(tokens[place] ?? "") ?? [];
    before = end + before;
    if (end === "" || end !== tokens[place]) break;
  }
  let after = "";
  for (let place = index + 1; place < tokens.length && /\p{L}$/u.test(token + after); place += 1) {
    if (goesOn(tokens[place] ?? "")) continue;
    const [start = ""] = /^[\p{L}\p{M}]+/u.exec(tokens[place] ?? "") ?? [];
    after += start;
    if (start === "" || start !== tokens[place]) break;
  }
  const trimmed = before.trimStart();
  return trimmed === "" && after === "" ? null : { before: trimmed, token, after };
}
