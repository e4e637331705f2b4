/** Where a run is started. */

import { ErrorMessage, Loading } from "../components/ContentPlaceholder";
import { NewRunForm } from "../components/NewRunForm";
import { ReadOnlyNote } from "../components/ReadOnlyNote";
import { usePageTitle, useScrollToTop } from "../hooks/usePage";
import { useOptions } from "../runQueries";

export function NewRunPage() {
  const options = useOptions();
  usePageTitle("Start a run");
  useScrollToTop();

  if (options.error !== null) return <ErrorMessage error={options.error} onRetry={() => void options.refetch()} />;
  if (options.data === undefined) return <Loading label="Loading the options…" />;
  return (
    <div className="space-y-4">
      <h1 className="text-xl font-semibold tracking-tight">Start a run</h1>
      {options.data === null ? <ReadOnlyNote /> : <NewRunForm options={options.data} />}
    </div>
  );
}
