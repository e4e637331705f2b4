/** Words of which a token is a part, the token underlined in each. */

import type { Word } from "../../lib/tokens";
import { TokenPieces } from "../TokenPieces";

const MOST_CHARACTERS = 16; // on each side of the token

export function Words({ words }: { words: Word[] }) {
  return words.map(({ before, token, after }) => (
    <bdi key={`${before}|${after}`} className="ml-1.5 font-mono text-[0.6875rem] text-muted">
      {before !== "" && <TokenPieces token={before.slice(-MOST_CHARACTERS)} />}
      <b className="text-ink underline">
        <TokenPieces token={token.trimStart().slice(0, MOST_CHARACTERS)} />
      </b>
      {after !== "" && <TokenPieces token={after.slice(0, MOST_CHARACTERS)} />}
    </bdi>
  ));
}
