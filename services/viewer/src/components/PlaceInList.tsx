/** Where a feature stands in the list that one came from, and the way to the ones before and after it. */

import { Link } from "wouter";

import type { FeatureRank } from "../apiTypes";
import { columnTitle } from "../lib/featureColumns";
import { formatCount } from "../lib/format";
import { listQuery } from "../lib/ranking";
import { featurePath, featuresPath, isFiltered, type ViewState } from "../lib/viewState";
import { PreviousNextLinks } from "./PreviousNextLinks";

const RANKS_ABOVE = 5; // in view above the feature's own in the list

type Props = {
  /** Undefined until it is known. */
  place: FeatureRank | undefined;
  /** What the list is ordered by. */
  sort: string;
  state: ViewState;
};

export function PlaceInList({ place, sort, state }: Props) {
  const step = (featureId: number | null | undefined) =>
    featureId == null
      ? null
      : { href: featurePath(featureId, { ...state, band: null }), title: `Feature ${featureId}` };
  const offset = Math.max(0, (place?.rank ?? 0) - RANKS_ABOVE);
  return (
    <nav aria-label="Ranking" className="no-print flex flex-wrap items-center gap-2">
      <PreviousNextLinks previous={step(place?.previous)} next={step(place?.next)} />
      <Link
        href={featuresPath({ ...state, offset })}
        className="text-muted tabular-nums hover:text-ink hover:underline"
      >
        {describePlace(place, sort, state)}
      </Link>
    </nav>
  );
}

function describePlace(place: FeatureRank | undefined, sort: string, state: ViewState): string {
  const { order } = listQuery(state);
  const by = `by ${columnTitle(sort).toLowerCase()}${order === "asc" ? ", lowest first" : ""}`;
  if (place === undefined) return `features ${by}`;
  if (place.rank !== null) {
    const rank = `rank ${formatCount(place.rank + 1)} of ${formatCount(place.num_matching)} ${by}`;
    return isFiltered(state) ? `${rank}, filtered` : rank;
  }
  return isFiltered(state) ? `features ${by}; the filters leave this one out` : `features ${by}`;
}
