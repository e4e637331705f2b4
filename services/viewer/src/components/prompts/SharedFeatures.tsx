/** Features over-represented in the rows found: a concept that was searched for leads to its features. */

import { useState } from "react";
import { Link } from "wouter";

import type { FoundFeature, FoundFeatures } from "../../apiTypes";
import { formatCount, formatPlural } from "../../lib/format";
import type { PromptsState } from "../../lib/promptState";
import { DEFAULT_STATE, featurePath } from "../../lib/viewState";
import { useFoundFeatures } from "../../rowAndCompareQueries";
import { TokenChips } from "../TokenChips";

const FIRST = 6; // shown at first, as on a phone the rows come after these
const CHIPS = 3;

type Props = { state: PromptsState; labelOf?: ((feature: number) => string | null) | undefined };

export function SharedFeatures({ state, labelOf }: Props) {
  const { data: found, error } = useFoundFeatures(state);
  const [isAll, setAll] = useState(false);
  const features = found?.features ?? [];
  return (
    <section aria-labelledby="shared" className="panel px-4 py-3 lg:sticky lg:top-16">
      <h2 id="shared" className="font-semibold">
        Features of these rows
      </h2>
      {found === undefined ? (
        <p className="text-muted">{error === null ? "Counting…" : error.message}</p>
      ) : (
        <>
          <p className="mb-2 text-xs text-muted">{describe(found)}</p>
          <ol className="space-y-1 tabular-nums">
            {features.slice(0, isAll ? undefined : FIRST).map((feature) => (
              <li key={feature.feature_id}>
                <Line feature={feature} run={state.run} label={labelOf?.(feature.feature_id) ?? null} />
              </li>
            ))}
          </ol>
          {features.length > FIRST && !isAll && (
            <button
              type="button"
              className="control mt-2"
              onClick={() => {
                setAll(true);
              }}
            >
              Show {features.length - FIRST} more
            </button>
          )}
        </>
      )}
    </section>
  );
}

function describe({ num_found: found, num_searched: searched, next, features, ...rest }: FoundFeatures): string {
  const all = next === null ? `all ${formatPlural(searched, "row")}` : `the first ${formatPlural(searched, "row")}`;
  const among = `among the ${rest.features_per_row} strongest of a row`;
  if (features.length === 0)
    return `No feature is ${among} more often in ${formatPlural(found, "row")} found than in ${all}.`;
  return `In ${formatPlural(found, "row")} found these are ${among} more often than in ${all}; the most surprising first.`;
}

type LineProps = { feature: FoundFeature; run: string | null; label: string | null };

function Line({ feature, run, label }: LineProps) {
  const { feature_id: id, hits, share, lift, num_rows: rows } = feature;
  return (
    <Link
      href={featurePath(id, { ...DEFAULT_STATE, run })}
      title={`Among the strongest of ${formatCount(hits)} rows found; of ${formatCount(rows)} rows searched in all`}
      className="group block rounded-sm hover:bg-sunken"
    >
      <span className="flex items-baseline gap-2">
        <span className="shrink-0 text-accent group-hover:underline">{id}</span>
        {label === null ? (
          <TokenChips tokens={feature.tokens.slice(0, CHIPS)} />
        ) : (
          <bdi className="truncate">{label}</bdi>
        )}
        <span className="ms-auto shrink-0 whitespace-nowrap">
          {formatPercent(share)} <span className="text-muted">×{formatLift(lift)}</span>
        </span>
      </span>
      <span aria-hidden="true" className="mt-0.5 block h-1 rounded-full bg-sunken">
        <span className="block h-1 rounded-full bg-bar" style={{ width: `${(share * 100).toFixed(1)}%` }} />
      </span>
    </Link>
  );
}

function formatPercent(share: number): string {
  return share < 0.0095 ? `${(share * 100).toFixed(1)} %` : `${Math.round(share * 100)} %`;
}

function formatLift(lift: number): string {
  return lift < 9.95 ? lift.toFixed(1) : formatCount(Math.round(lift));
}
