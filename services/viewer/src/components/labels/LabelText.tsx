/** A label as its writer meant it, on a line: it may be anything, so it is isolated, and what is unseen in it is drawn. */

import { TokenPieces } from "../TokenPieces";

const MOST_CHARACTERS = 120;

type Props = {
  text: string;
  /** Whether all of it is shown; else it is cut. */
  whole?: boolean;
  /** Whether a line ends after the mark of a line break. */
  breakLines?: boolean;
};

export function LabelText({ text, whole = false, breakLines = false }: Props) {
  const characters = whole ? null : Array.from(text);
  const isCut = characters !== null && characters.length > MOST_CHARACTERS;
  return (
    <bdi>
      <TokenPieces token={isCut ? `${characters.slice(0, MOST_CHARACTERS).join("")}…` : text} breakLines={breakLines} />
    </bdi>
  );
}
