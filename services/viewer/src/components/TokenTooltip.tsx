/** The tooltip of a token in an example: its exact activation, its id, and where it stands. */

import type { Occurrence } from "../lib/examples";
import { tokenNumber } from "../lib/rowFeatures";
import { goesOn, isPartialCharacter, isStartOfText, quoteToken, rowPosition } from "../lib/tokens";

export const GOES_ON_NOTE = "more bytes of the character before";

export function TokenTooltip({ text, index }: { text: Occurrence; index: number }) {
  const token = text.tokens[index] ?? "";
  const start = isStartOfText(token, index);
  return (
    <>
      <div className="font-mono break-all">{goesOn(token) ? GOES_ON_NOTE : quoteToken(token)}</div>
      <dl className="mt-0.5 grid grid-cols-[auto_auto] justify-start gap-x-3 tabular-nums">
        <dt className="opacity-70">activation</dt>
        <dd className="font-semibold" data-testid="exact-activation">
          {activation(text, index)}
        </dd>
        <dt className="opacity-70">token id</dt>
        <dd>{text.token_ints[index]}</dd>
        {!start && (
          <>
            <dt className="opacity-70">in its row</dt>
            <dd>token {tokenNumber(rowPosition(text, index))}</dd>
          </>
        )}
      </dl>
      {start && <div className="mt-0.5 opacity-70">the marker put before every window</div>}
      {isPartialCharacter(token) && <div className="mt-0.5 opacity-70">� stands for part of a character’s bytes</div>}
    </>
  );
}

/** Exactly as the API has it. */
function activation({ acts, idx }: Occurrence, index: number): string {
  if (acts !== null) return String(acts[index] ?? 0);
  return index === idx ? "0" : "not looked at";
}
