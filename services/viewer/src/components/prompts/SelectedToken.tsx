/** The token that is selected in a row's text, and the ways to the features that fired on it. */

import { Link } from "wouter";

import type { PromptInfo, RowFeature } from "../../apiTypes";
import type { FiringAt } from "../../lib/encodedRows";
import { formatActivation, formatPlural } from "../../lib/format";
import { stretchStart } from "../../lib/matrix";
import { firingsByToken, firingValues, MARKER, shareOf, tokenNumber } from "../../lib/rowFeatures";
import { DEFAULT_STATE, featurePath } from "../../lib/viewState";
import { useRowFirings } from "../../rowAndCompareQueries";
import { TokenFeatures } from "../encoded/TokenFeatures";
import { TokenChip } from "../TokenChips";
import { NONE_FIRED, NOT_KEPT } from "./FiredFeaturesTooltip";
import { STRETCH } from "./Stretches";

type Props = {
  row: PromptInfo;
  token: number | null;
  /** The row's strongest features that fired there most strongly. */
  features: RowFeature[];
  /** All that fire there, where the model was asked. */
  all: readonly FiringAt[] | null;
  run: string | null;
};

export function SelectedToken({ row, token, features, all, run }: Props) {
  const isThere = token !== null && (token === MARKER || token < row.tokens.length);
  return (
    // on a phone it stays in sight below the text
    <section
      aria-label="Selected token"
      aria-live="polite"
      className="panel px-4 py-3 max-lg:sticky max-lg:bottom-0 max-lg:z-20 max-lg:max-h-[40vh] max-lg:overflow-y-auto max-lg:shadow-lg"
    >
      {token === null && <p className="text-muted">Select a token to see the features that fired on it.</p>}
      {token !== null && !isThere && <p className="text-muted">This row has no token {tokenNumber(token)}.</p>}
      {token !== null && isThere && (
        <>
          <h2 className="flex items-center gap-2 font-semibold tabular-nums">
            {token === MARKER ? "Marker before the text" : `Token ${tokenNumber(token)}`}
            {token !== MARKER && <TokenChip token={row.tokens[token] ?? ""} />}
          </h2>
          {all === null ? (
            <Kept row={row} token={token} features={features} run={run} />
          ) : (
            <TokenFeatures firings={all} token={token} run={run} />
          )}
        </>
      )}
    </section>
  );
}

type KeptProps = { row: PromptInfo; token: number; features: RowFeature[]; run: string | null };

/** What the run's files hold of a token. */
function Kept({ row, token, features, run }: KeptProps) {
  return (
    <>
      {features.length === 0 ? (
        <p className="text-muted">{NONE_FIRED}</p>
      ) : (
        <ul className="mt-1 tabular-nums">
          {features.map((feature) => (
            <li key={feature.feature_id} className="flex flex-wrap justify-between gap-x-4 py-0.5 whitespace-nowrap">
              <FeatureLink id={feature.feature_id} run={run} />
              <span>
                <span className="font-medium">{formatActivation(feature.activation)}</span>
                <span className="text-muted"> · {Math.round(shareOf(feature) * 100)} % of its strongest</span>
              </span>
            </li>
          ))}
        </ul>
      )}
      {row.keeps_firings ? (
        <AlsoFires row={row} token={token} run={run} listed={features} />
      ) : (
        <p className="mt-1 text-xs text-muted">{NOT_KEPT}</p>
      )}
    </>
  );
}

function FeatureLink({ id, run }: { id: number; run: string | null }) {
  return (
    <Link href={featurePath(id, { ...DEFAULT_STATE, run })} className="text-accent hover:underline">
      feature {id}
    </Link>
  );
}

function Value({ value }: { value: number | undefined }) {
  return value === undefined ? null : <span className="ms-1 text-muted">{formatActivation(value)}</span>;
}

type AlsoProps = { row: PromptInfo; token: number; run: string | null; listed: readonly RowFeature[] };

/** The features that fire on the token besides those that are strongest there, and how strongly if that is kept. */
function AlsoFires({ row, token, run, listed }: AlsoProps) {
  const query = { run, from: stretchStart(token, STRETCH), tokens: STRETCH, sort: "first", limit: 0 } as const;
  const firings = useRowFirings(row.row_id, query, true).data;
  const here = firings === undefined ? undefined : firingsByToken(firings).get(token);
  if (here === undefined) return <p className="mt-1 text-xs text-muted">Loading what else fires here…</p>;
  const values = firings === undefined ? undefined : firingValues(firings);
  const valueOf = (id: number) => values?.get(id)?.get(token);
  const others = here
    .filter((id) => !listed.some(({ feature_id }) => feature_id === id))
    .toSorted((a, b) => (valueOf(b) ?? 0) - (valueOf(a) ?? 0));
  const isKept = firings?.values !== undefined;
  if (others.length === 0) return <p className="mt-1 text-xs text-muted">No other feature fires here.</p>;
  return (
    <>
      <p className="mt-1.5 text-xs text-muted">
        {formatPlural(others.length, listed.length === 0 ? "feature" : "other feature")} fire
        {others.length === 1 ? "s" : ""} here{isKept ? "" : ", how strongly isn’t kept"}:
      </p>
      <ul className="flex flex-wrap gap-x-2.5 tabular-nums">
        {others.map((id) => (
          <li key={id}>
            <FeatureLink id={id} run={run} />
            <Value value={valueOf(id)} />
          </li>
        ))}
      </ul>
    </>
  );
}
