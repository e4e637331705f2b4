/** The token that is selected in a row's text, and the ways to the features that fired on it. */

import { Link } from "wouter";

import type { PromptInfo, RowFeature } from "../../apiTypes";
import { formatActivation } from "../../lib/format";
import { MARKER } from "../../lib/rowFeatures";
import { DEFAULT_STATE, featurePath } from "../../lib/viewState";
import { TokenChip } from "../TokenChips";
import { NONE_FIRED } from "./FiredFeaturesTooltip";

type Props = { row: PromptInfo; token: number | null; features: RowFeature[]; run: string | null };

export function SelectedToken({ row, token, features, run }: Props) {
  const isThere = token !== null && (token === MARKER || token < row.tokens.length);
  return (
    // on a phone it stays in sight below the text
    <section
      aria-label="Selected token"
      aria-live="polite"
      className="panel px-4 py-3 max-lg:sticky max-lg:bottom-0 max-lg:max-h-[40vh] max-lg:overflow-y-auto max-lg:shadow-lg"
    >
      {token === null && <p className="text-muted">Select a token to see the features that fired on it.</p>}
      {token !== null && !isThere && <p className="text-muted">This row has no token {token}.</p>}
      {token !== null && isThere && (
        <>
          <h2 className="flex items-center gap-2 font-semibold tabular-nums">
            {token === MARKER ? "Marker before the text" : `Token ${token}`}
            {token !== MARKER && <TokenChip token={row.tokens[token] ?? ""} />}
          </h2>
          {features.length === 0 ? (
            <p className="text-muted">{NONE_FIRED}</p>
          ) : (
            <ul className="mt-1 tabular-nums">
              {features.map(({ feature_id: id, activation }) => (
                <li key={id} className="flex justify-between gap-4 py-0.5">
                  <Link href={featurePath(id, { ...DEFAULT_STATE, run })} className="text-accent hover:underline">
                    feature {id}
                  </Link>
                  <span className="font-medium">{formatActivation(activation)}</span>
                </li>
              ))}
            </ul>
          )}
        </>
      )}
    </section>
  );
}
