/** The tooltip of a token in an example: its exact activation, its id, and where it stands. */

import type { Sequence } from "../apiTypes";
import { tokenNumber } from "../lib/rowFeatures";
import { goesOn, isPartialCharacter, isStartOfText, quoteToken, rowPosition } from "../lib/tokens";

export const GOES_ON_NOTE = "more bytes of the character before";

export function TokenTooltip({ sequence, index }: { sequence: Sequence; index: number }) {
  const token = sequence.tokens[index] ?? "";
  const start = isStartOfText(token, index);
  const number = tokenNumber(rowPosition(sequence, index));
  return (
    <>
      <div className="font-mono break-all">{goesOn(token) ? GOES_ON_NOTE : quoteToken(token)}</div>
      <dl className="mt-0.5 grid grid-cols-[auto_auto] justify-start gap-x-3 tabular-nums">
        <dt className="opacity-70">activation</dt>
        <dd className="font-semibold" data-testid="exact-activation">
          {String(sequence.acts[index] ?? 0)}
        </dd>
        <dt className="opacity-70">token id</dt>
        <dd>{sequence.token_ints[index]}</dd>
        <dt className="opacity-70">position</dt>
        <dd>
          {index}
          {!start && number !== index && ` (token ${number} of its row)`}
        </dd>
      </dl>
      {start && <div className="mt-0.5 opacity-70">the marker put before every window</div>}
      {isPartialCharacter(token) && <div className="mt-0.5 opacity-70">� stands for part of a character’s bytes</div>}
    </>
  );
}
