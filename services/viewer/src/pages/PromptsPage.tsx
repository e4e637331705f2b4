/** The dataset's rows in their order, each with its strongest features; or those with a text. */

import { useMemo } from "react";
import { Link, useLocation, useSearch } from "wouter";

import { isNotFound } from "../api";
import { LiveBanner } from "../components/LiveBanner";
import { ErrorMessage, Loading, StaleNote } from "../components/ContentPlaceholder";
import { NoRuns } from "../components/NoRuns";
import { NoFeaturesYet } from "../components/NoFeaturesYet";
import { NoRows } from "../components/prompts/NoRows";
import { PromptsFilters } from "../components/prompts/PromptsFilters";
import { PromptsList } from "../components/prompts/PromptsList";
import { SharedFeatures } from "../components/prompts/SharedFeatures";
import { StepLink } from "../components/PreviousNextLinks";
import { ROWS_PER_PAGE, usePrompts, useRowBefore } from "../rowAndCompareQueries";
import { usePageTitle, useScrollToTop } from "../hooks/usePage";
import { columnsOf, isFiltered, promptsPath, type PromptsState, readPromptsState } from "../lib/promptState";
import { isFinished } from "../lib/runStatus";
import { useLabelOf } from "../labelQueries";
import { DEFAULT_STATE } from "../lib/viewState";
import { useLiveRun, useRuns } from "../runQueries";

export function PromptsPage() {
  const search = useSearch();
  const state = useMemo(() => readPromptsState(search), [search]);
  const [, navigate] = useLocation();
  const runs = useRuns();
  const prompts = usePrompts(state);
  const { head, rows, next, goesOn } = prompts;
  const live = useLiveRun(head?.run ?? state.run);

  const labelOf = useLabelOf(head?.run ?? state.run);

  usePageTitle("Rows");
  if (runs.data?.length === 0) return <NoRuns />;
  if (head === undefined) {
    if (prompts.error === null) return <Loading label="Loading the rows…" />;
    if (live !== undefined && isNotFound(prompts.error)) {
      return <NoFeaturesYet run={live} state={{ ...DEFAULT_STATE, run: state.run }} />;
    }
    return (
      <ErrorMessage error={prompts.error} onRetry={() => void prompts.refetch()}>
        <Link href={isFiltered(state) ? promptsPath({ run: state.run }) : "/prompts"} className="control text-ink">
          {isFiltered(state) ? "All rows" : "Newest run"}
        </Link>
      </ErrorMessage>
    );
  }
  const run = runs.data?.find(({ id }) => id === head.run);
  return (
    <div className="space-y-4">
      <h1 className="text-xl font-semibold tracking-tight">Rows</h1>
      <StaleNote error={prompts.error} />
      {live !== undefined && (
        <LiveBanner
          key={live.id}
          runId={live.id}
          state={{ ...DEFAULT_STATE, run: state.run }}
          numRecords={head.num_records}
        />
      )}
      <PromptsFilters
        state={state}
        onChange={(changed) => {
          navigate(promptsPath(changed), { replace: true });
        }}
        columns={columnsOf(run, state)}
        rows={rows}
        next={next}
        isSearching={goesOn}
        total={run === undefined || !isFinished(run) ? null : run.num_prompts + run.num_skipped_rows}
      />
      {prompts.isFetchNextPageError && (
        <button type="button" className="control" onClick={() => void prompts.fetchNextPage()}>
          Look further
        </button>
      )}
      <div className={`space-y-4 transition-opacity ${prompts.isPlaceholderData ? "opacity-50" : ""}`}>
        {rows.length > 0 && (
          <div
            className={
              isFiltered(state)
                ? "flex flex-col-reverse gap-4 lg:grid lg:grid-cols-[minmax(0,1fr)_22rem] lg:items-start lg:gap-x-6"
                : ""
            }
          >
            <PromptsList prompts={rows} run={state.run} wanted={head.text} labelOf={labelOf} />
            {isFiltered(state) && <SharedFeatures state={state} labelOf={labelOf} />}
          </div>
        )}
        {rows.length === 0 && !goesOn && <NoRows state={state} />}
        <Pages
          key={state.from}
          state={state}
          firstRow={prompts.isPlaceholderData ? null : (rows[0]?.row_id ?? null)}
          next={goesOn ? null : next}
        />
      </div>
    </div>
  );
}

type PagesProps = { state: PromptsState; firstRow: number | null; next: number | null };

/** The ways to the rows before and after those listed; there is another one for every page, which begins at its top. */
function Pages({ state, firstRow, next }: PagesProps) {
  useScrollToTop();
  const isSearch = isFiltered(state);
  // not always the number before: a failed chunk's rows are missing
  const before = useRowBefore(state.from > 0 && !isSearch ? firstRow : null, state.run);
  const step = (from: number) => ({ href: promptsPath({ ...state, from }), title: `From row ${from}` });
  return (
    <nav aria-label="Pages of rows" className="flex flex-wrap gap-2">
      {isSearch ? (
        <StepLink step={state.from > 0 ? step(0) : null}>← First row</StepLink>
      ) : (
        <StepLink step={before === null ? null : step(Math.max(0, before - ROWS_PER_PAGE + 1))}>← Previous</StepLink>
      )}
      <StepLink step={next === null ? null : step(next)}>Next →</StepLink>
    </nav>
  );
}
