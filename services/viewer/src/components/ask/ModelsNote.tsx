/** That a run's models can't be asked here, why, and how they can; nothing while that isn't known. */

import type { ModelsState } from "../../apiTypes";
import { WithCode } from "../WithCode";

/** What this API has no sentence of its own for. */
const HOW = "The models can’t be asked here; `saescope serve --models` lets them be.";

export function ModelsNote({ models }: { models: ModelsState | null | undefined }) {
  if (models == null || models.can_ask) return null;
  return (
    <p className="text-xs text-muted wrap-anywhere">
      <WithCode>{models.why_not ?? HOW}</WithCode>
    </p>
  );
}
