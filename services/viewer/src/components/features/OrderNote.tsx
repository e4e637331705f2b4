/** Why the list is in its order, in a line. */

import type { Ranking } from "../../apiTypes";
import type { ViewState } from "../../lib/viewState";

export const ORDER_NOTE_ID = "order-note";

/** What lists can be ordered by besides metrics, and what isn't said by the name. */
const OTHER_DESCRIPTIONS: Record<string, string> = {
  suggested: "First those that are easiest to read: strong on few tokens, in several texts, and not everywhere.",
  early_share: "Share of its firings at the beginning of windows.",
  cut_share: "Share of its firings where rows were cut into windows.",
  token_share: "Share of its firings that are on these tokens.",
};
const DEAD = "They were inactive at every token of this run; other text may activate them.";

export function OrderNote({ ranking, state }: { ranking: Ranking; state: ViewState }) {
  const { sort } = ranking;
  return (
    <p id={ORDER_NOTE_ID} className="mt-1 text-xs text-muted">
      {state.filters.dead ? DEAD : (ranking.metric_descriptions[sort] ?? OTHER_DESCRIPTIONS[sort])}
    </p>
  );
}
