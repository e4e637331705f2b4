/** From the top of a feature's page to what the model can be asked, which is below its texts. */

import { useModels } from "../../modelQueries";

export const ASK_ID = "ask-the-model";

export function WayToAsk() {
  if (useModels().data?.can_ask !== true) return null;
  return (
    <button
      type="button"
      tabIndex={-1} // for the mouse: a stop of the Tab key before the texts is worth more elsewhere
      className="no-print text-xs whitespace-nowrap text-accent hover:underline"
      onClick={() => {
        const asking = document.getElementById(ASK_ID);
        asking?.scrollIntoView();
        asking?.focus({ preventScroll: true });
      }}
    >
      ask the model <span aria-hidden="true">↓</span>
    </button>
  );
}
