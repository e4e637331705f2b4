/** Tokens without their text: what is white space in one is drawn, what is hidden in one is named. */

import { Fragment } from "react";

import type { TokenChip as Chip } from "../apiTypes";
import { tokenPieces } from "../lib/tokens";

const LOOK = "rounded-sm border border-line bg-sunken px-1 font-mono text-xs leading-5 whitespace-pre";
const MOST_CHARACTERS = 24;
const PLAIN = /^ ?[!-~]+$/; // at most a space before

/** One token, or its beginning. Isolated, so that its direction doesn't turn round what is beside it. */
export function TokenChip({ token }: { token: string }) {
  const shown = beginningOf(token);
  // most tokens by far; in a table of hundreds every element counts
  if (PLAIN.test(shown))
    return <bdi className={`${LOOK} ${shown.startsWith(" ") ? "leading-space" : ""}`}>{shown}</bdi>;
  return (
    <bdi className={`${LOOK} inline-block max-w-44 truncate align-bottom`}>
      {tokenPieces(shown).map((piece, position) =>
        piece.kind === "mark" ? (
          <span key={position} className="token-mark">
            {piece.text}
          </span>
        ) : (
          <Fragment key={position}>{drawnSpaces(piece.text)}</Fragment>
        ),
      )}
    </bdi>
  );
}

function beginningOf(token: string): string {
  if (token.length <= MOST_CHARACTERS) return token;
  const characters = Array.from(token);
  return characters.length <= MOST_CHARACTERS ? token : `${characters.slice(0, MOST_CHARACTERS).join("")}…`;
}

/** The text as it is, its spaces underlined. */
function drawnSpaces(text: string) {
  return text.split(/( +)/).map((part, position) =>
    part.startsWith(" ") ? (
      <span key={position} className="border-b-2 border-faint">
        {part}
      </span>
    ) : (
      part
    ),
  );
}

/** As many tokens as fit on a line. */
export function TokenChips({ tokens }: { tokens: Chip[] }) {
  return (
    // lines of text: a box for each token takes twice as long to lay out
    <span className="truncate">
      {tokens.map(({ token_id: id, token }, position) => (
        <Fragment key={id}>
          {position > 0 && " "}
          <TokenChip token={token} />
        </Fragment>
      ))}
    </span>
  );
}
