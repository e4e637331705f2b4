/** The tooltip of a token all of whose features are known: its place, and the strongest of them. */

import type { FiringAt } from "../../lib/encodedRows";
import { formatActivation } from "../../lib/format";
import { MARKER, tokenNumber } from "../../lib/rowFeatures";
import { goesOn, quoteToken } from "../../lib/tokens";
import { GOES_ON_NOTE } from "../TokenTooltip";

const SHOWN = 5;

type Props = { token: string; index: number; tokenId: number | undefined; firings: readonly FiringAt[] };

export function EncodedTooltip({ token, index, tokenId, firings }: Props) {
  return (
    <>
      {index === MARKER ? (
        <div>the marker put before every window</div>
      ) : (
        <>
          <div className="font-mono break-all">{goesOn(token) ? GOES_ON_NOTE : quoteToken(token)}</div>
          <div className="tabular-nums opacity-70">
            token {tokenNumber(index)}
            {tokenId !== undefined && `, id ${tokenId}`}
          </div>
        </>
      )}
      {firings.length === 0 ? (
        <div className="mt-0.5">No feature fires here.</div>
      ) : (
        <ul className="mt-0.5 tabular-nums">
          {firings.slice(0, SHOWN).map(({ feature: { feature_id: id }, value }) => (
            <li key={id}>
              feature {id}: {formatActivation(value)}
            </li>
          ))}
          {firings.length > SHOWN && <li>and {firings.length - SHOWN} more</li>}
        </ul>
      )}
    </>
  );
}
