/** In place of features while a run that was just started has none. */

import type { Run } from "../apiTypes";
import type { ViewState } from "../lib/viewState";
import { LiveBanner } from "./LiveBanner";
import { ContentPlaceholder } from "./ContentPlaceholder";

export function NoFeaturesYet({ run, state }: { run: Run; state: ViewState }) {
  return (
    <>
      <LiveBanner runId={run.id} state={state} numRecords={undefined} />
      <ContentPlaceholder title="No features yet">
        They appear here by themselves as soon as the run’s first chunk of rows is summarised.
      </ContentPlaceholder>
    </>
  );
}
