/** Tokens without their text: what is white space in one is drawn, what is hidden in one is named. */

import { Fragment } from "react";

import type { TokenChip as Chip } from "../../apiTypes";
import { tokenPieces } from "../../lib/tokens";

/** One token. Isolated, so that its direction doesn't turn round what is beside it. */
export function TokenChip({ token }: { token: string }) {
  return (
    <bdi className="inline-block max-w-44 truncate rounded-sm border border-line bg-sunken px-1 align-bottom font-mono text-xs leading-5 whitespace-pre">
      {tokenPieces(token).map((piece, position) =>
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
    <span className="flex gap-1 overflow-hidden *:shrink-0">
      {tokens.map(({ token_id: id, token }) => (
        <TokenChip key={id} token={token} />
      ))}
    </span>
  );
}
