/** In place of a table without rows: why it has none, and what to do. */

import type { ReactNode } from "react";

import type { Ranking } from "../../apiTypes";
import { formatPlural } from "../../lib/format";
import { isFiltered, type ViewState } from "../../lib/viewState";
import { ContentPlaceholder } from "../ContentPlaceholder";

export function NoneMatch({ ranking, state }: { ranking: Ranking; state: ViewState }) {
  const soFar = ranking.live === true ? " so far" : "";
  const say = (title: string, children: ReactNode) => (
    <ContentPlaceholder title={title + soFar}>{children}</ContentPlaceholder>
  );
  if (state.filters.dead)
    return say("Every feature fired", "There is none that never did. Take the filter “never fired” away to see them.");
  if (isFiltered(state) && ranking.num_active_features > 0) {
    return say(
      "No feature matches",
      <>
        {formatPlural(ranking.num_active_features, "feature")} fired, but none of them fits all that is asked for above.{" "}
        {state.filters.labelled || state.filters.starred
          ? "Label or star a feature on its page, or bring in labels from a file. "
          : ""}
        Widen the range of densities, ask for fewer active tokens, or look for a shorter part of a token: spaces count,
        capitals don’t.
      </>,
    );
  }
  return say(
    "No feature fired",
    "At none of this run’s tokens was any feature active. Run over more rows, or check that the autoencoder belongs to this model, layer and location.",
  );
}
