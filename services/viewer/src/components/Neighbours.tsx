/** Where a feature stands in the ranking, and the way to the ones before and after it. */

import { Link, useLocation } from "wouter";

import { useShortcuts } from "../hooks/useShortcuts";
import { formatCount, metricTitle } from "../lib/format";
import { PAGE_SIZE, type Place } from "../lib/ranking";
import { featurePath, featuresPath, type ViewState } from "../lib/viewState";

type Props = { place: Place | null; metric: string; total: number; state: ViewState };

export function Neighbours({ place, metric, total, state }: Props) {
  const [, navigate] = useLocation();
  const open = (featureId: number | null | undefined) => {
    if (featureId != null) navigate(featurePath(featureId, state));
  };
  const previous = () => {
    open(place?.previous);
  };
  const next = () => {
    open(place?.next);
  };
  useShortcuts({ ArrowLeft: previous, k: previous, ArrowRight: next, j: next });

  const offset = place === null ? 0 : Math.floor(place.index / PAGE_SIZE) * PAGE_SIZE;
  return (
    <nav aria-label="Ranking" className="flex flex-wrap items-center gap-2">
      <Step label="← Previous" featureId={place?.previous ?? null} state={state} />
      <Step label="Next →" featureId={place?.next ?? null} state={state} />
      <Link
        href={featuresPath({ ...state, offset })}
        className="text-muted tabular-nums hover:text-ink hover:underline"
      >
        {place === null ? "all features" : `rank ${formatCount(place.index + 1)} of ${formatCount(total)}`} by{" "}
        {metricTitle(metric).toLowerCase()}
        {state.order === "asc" && ", lowest first"}
      </Link>
    </nav>
  );
}

function Step({ label, featureId, state }: { label: string; featureId: number | null; state: ViewState }) {
  return featureId === null ? (
    <span className="control" aria-disabled="true">
      {label}
    </span>
  ) : (
    <Link href={featurePath(featureId, state)} className="control" title={`Feature ${featureId}`}>
      {label}
    </Link>
  );
}
