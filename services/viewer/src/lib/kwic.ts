/** One line of a text around a token (a keyword in context): which tokens fit. Knows nothing of pixels. */

export type Cut = {
  /** The first and the last token that are shown. */
  first: number;
  last: number;
  isCutBefore: boolean;
  isCutAfter: boolean;
};

/** What share of a line is before the token. */
export const SHARE_BEFORE = 0.46;

/** The tokens around one that fit on a line of so many characters; only whole tokens are shown. */
export function cutAround(tokens: readonly string[], idx: number, room: number): Cut {
  const before = Math.floor(room * SHARE_BEFORE) - 1; // 1 for the ellipsis
  const after = room - before - 2;
  let first = idx;
  for (let used = 0; first > 0; first -= 1) {
    used += lengthOf(tokens[first - 1]);
    if (used > before) break;
  }
  let last = idx;
  for (let used = lengthOf(tokens[idx]); last < tokens.length - 1; last += 1) {
    used += lengthOf(tokens[last + 1]);
    if (used > after) break;
  }
  return { first, last, isCutBefore: first > 0, isCutAfter: last < tokens.length - 1 };
}

function lengthOf(token: string | undefined): number {
  return Array.from(token ?? "").length;
}
