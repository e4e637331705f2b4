/** A token's text as it is drawn everywhere: what would be unseen is a mark. Knows nothing of activations. */

import { goesOn, tokenPieces } from "../lib/tokens";

type Props = {
  token: string;
  /** Whether a line ends after the mark of a line break. */
  breakLines?: boolean;
};

export function TokenPieces({ token, breakLines = false }: Props) {
  // drawn by the style sheet, so that it isn't copied with the text
  if (goesOn(token)) return <span className="token-goes-on" />;
  return tokenPieces(token).map((piece, position) =>
    piece.kind === "text" ? (
      piece.text
    ) : (
      <span key={position} className="token-mark">
        {piece.text}
        {breakLines && piece.text === "⏎" ? "\n" : ""}
      </span>
    ),
  );
}
