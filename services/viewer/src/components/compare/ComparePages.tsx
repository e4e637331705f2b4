/** The ways to the other pages of the list of compared features. */

import type { Comparison } from "../../apiTypes";
import { useScrollToTop } from "../../hooks/usePage";
import { comparePath, type CompareState } from "../../lib/compareState";
import { formatCount, formatPlural } from "../../lib/format";
import { FEATURES_PER_PAGE } from "../../rowAndCompareQueries";
import { StepLink } from "../PreviousNextLinks";

export function ComparePages({ comparison, state }: { comparison: Comparison; state: CompareState }) {
  useScrollToTop();
  const { offset, num_matching: matching, features } = comparison;
  const step = (to: number) => ({
    href: comparePath({ ...state, offset: to }),
    title: `From rank ${formatCount(to + 1)}`,
  });
  const next = offset + features.length;
  return (
    <nav aria-label="Pages of features" className="flex flex-wrap items-center gap-2 tabular-nums">
      <StepLink step={offset === 0 ? null : step(Math.max(0, offset - FEATURES_PER_PAGE))}>← Previous</StepLink>
      <StepLink step={next >= matching ? null : step(next)}>Next →</StepLink>
      <span className="text-muted">
        ranks {formatCount(offset + 1)} to {formatCount(next)} of {formatPlural(matching, "feature")}
      </span>
    </nav>
  );
}
