/** One bar above the list: its order, what narrows it down, how many that leaves, and the columns. One stop of the Tab key. */

import { useState } from "react";

import type { Ranking } from "../../apiTypes";
import { useRovingGroup } from "../../hooks/useRovingGroup";
import { formatCount, formatPlural } from "../../lib/format";
import { type Filters, isFiltered, NO_FILTERS, type ViewState } from "../../lib/viewState";
import { MetricPicker } from "../MetricPicker";
import { ColumnPicker } from "./ColumnPicker";
import { FilterChips } from "./FilterChips";
import { FilterMenu } from "./FilterMenu";

type Props = {
  ranking: Ranking;
  state: ViewState;
  onChange: (state: ViewState, how: { replace: boolean }) => void;
};

export function ListBar({ ranking, state, onChange }: Props) {
  const group = useRovingGroup<HTMLDivElement>();
  const [timesCleared, setTimesCleared] = useState(0);
  const { filters } = state;
  const filterBy = (change: Partial<Filters>) => {
    onChange({ ...state, filters: { ...filters, ...change }, offset: 0 }, { replace: true });
  };
  const clear = () => {
    setTimesCleared((times) => times + 1);
    onChange({ ...state, filters: NO_FILTERS, offset: 0 }, { replace: false });
  };
  const listDead = (dead: boolean) => {
    const kept = { labelled: filters.labelled, starred: filters.starred };
    onChange(
      { ...state, filters: { ...NO_FILTERS, ...kept, dead }, sort: null, order: "desc", offset: 0 },
      { replace: false },
    );
  };
  return (
    <div {...group} role="toolbar" aria-label="The list" className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
      {!filters.dead && (
        <MetricPicker
          ranking={ranking}
          state={state}
          onChange={(next) => {
            onChange(next, { replace: false });
          }}
        />
      )}
      <div role="search" aria-label="Filter the features" className="flex min-w-0 flex-wrap items-center gap-2">
        <FilterChips
          filters={filters}
          onChange={(change) => {
            if (change.dead === false) listDead(false);
            else filterBy(change);
          }}
        />
        <FilterMenu key={timesCleared} filters={filters} onChange={filterBy} onDead={listDead} />
        {isFiltered(state) && (
          <button type="button" className="text-accent underline" onClick={clear}>
            Clear all
          </button>
        )}
        <span role="status" className="tabular-nums">
          {describeLength(ranking, state)}
        </span>
      </div>
      {!filters.dead && (
        <div className="ml-auto">
          <ColumnPicker
            metrics={ranking.metrics_available}
            shown={state.columns}
            onChange={(columns) => {
              onChange({ ...state, columns }, { replace: true });
            }}
          />
        </div>
      )}
    </div>
  );
}

function describeLength(ranking: Ranking, state: ViewState): string {
  const { num_matching: matching, num_active_features: fired } = ranking;
  if (state.filters.dead) return `${formatPlural(matching, "feature")} never fired`;
  if (!isFiltered(state)) return `${formatPlural(fired, "feature")} fired`;
  return `${formatCount(matching)} of ${formatCount(fired)} match`;
}
