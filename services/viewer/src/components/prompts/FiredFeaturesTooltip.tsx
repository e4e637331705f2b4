/** The tooltip of a token in a row: its place, and the features that fired most strongly on it. */

import type { PromptInfo, RowFeature } from "../../apiTypes";
import { formatActivation } from "../../lib/format";
import { MARKER, tokenNumber, windowOf } from "../../lib/rowFeatures";
import { goesOn, quoteToken } from "../../lib/tokens";
import { GOES_ON_NOTE } from "../TokenTooltip";

export const NONE_FIRED = "None of this row’s strongest features fired most strongly here.";
/** For a run without what else fires. */
export const NOT_KEPT = "What else fired is not in this run’s files.";

type Props = { row: PromptInfo; index: number; features: RowFeature[] };

export function FiredFeaturesTooltip({ row, index, features }: Props) {
  return (
    <>
      {index === MARKER ? (
        <div>the marker put before every window</div>
      ) : (
        <>
          <div className="font-mono break-all">
            {goesOn(row.tokens[index] ?? "") ? GOES_ON_NOTE : quoteToken(row.tokens[index] ?? "")}
          </div>
          <div className="tabular-nums opacity-70">
            token {tokenNumber(index)}, id {row.token_ints[index]}
            {row.windows.length > 1 && `, window ${windowOf(index, row.windows) + 1} of ${row.windows.length}`}
          </div>
        </>
      )}
      {features.length === 0 ? (
        <div className="mt-0.5">
          {NONE_FIRED} {!row.keeps_firings && NOT_KEPT}
        </div>
      ) : (
        <ul className="mt-0.5 tabular-nums">
          {features.map(({ feature_id: id, activation }) => (
            <li key={id}>
              feature {id}: {formatActivation(activation)}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
