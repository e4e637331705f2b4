/** Which features the list has: fields for what narrows it down, and how many that leaves. */

import { useState } from "react";

import type { Ranking } from "../../apiTypes";
import { parseCount, parseHighest, parseLowest, parseToken, percentText } from "../../lib/featureFilters";
import { formatCount, formatPlural } from "../../lib/format";
import { type Filters, isFiltered, NO_FILTERS, type ViewState } from "../../lib/viewState";
import { FilterField } from "./FilterField";
import { TokenChip } from "../TokenChips";

type Props = {
  ranking: Ranking;
  state: ViewState;
  onChange: (state: ViewState, how: { replace: boolean }) => void;
};

export function FeatureFilters({ ranking, state, onChange }: Props) {
  const [timesCleared, setTimesCleared] = useState(0);
  const { filters } = state;
  const filterBy = (change: Partial<Filters>) => {
    onChange({ ...state, filters: { ...filters, ...change }, offset: 0 }, { replace: true });
  };
  const listDead = (dead: boolean) => {
    onChange({ ...state, filters: { ...NO_FILTERS, dead }, sort: null, order: "desc", offset: 0 }, { replace: false });
  };
  return (
    <div role="search" aria-label="Filter the features" className="flex flex-wrap items-start gap-x-5 gap-y-2">
      {!filters.dead && (
        <div key={timesCleared} className="contents">
          <FilterField
            label="fires on"
            width="w-32 font-mono"
            value={filters.token}
            format={(token) => token ?? ""}
            parse={parseToken}
            onCommit={(token) => {
              filterBy({ token });
            }}
          />
          <FilterField
            label="density from"
            name="density from, in percent"
            width="w-16"
            inputMode="decimal"
            value={filters.minDensity}
            format={percentText}
            parse={(text) => parseLowest(text, filters.maxDensity)}
            onCommit={(minDensity) => {
              filterBy({ minDensity });
            }}
          />
          <FilterField
            label="to"
            name="density to, in percent"
            unit="%"
            width="w-16"
            inputMode="decimal"
            value={filters.maxDensity}
            format={percentText}
            parse={(text) => parseHighest(text, filters.minDensity)}
            onCommit={(maxDensity) => {
              filterBy({ maxDensity });
            }}
          />
          <FilterField
            label="active tokens at least"
            width="w-20"
            inputMode="numeric"
            value={filters.minCount}
            format={(count) => String(count ?? "")}
            parse={parseCount}
            onCommit={(minCount) => {
              filterBy({ minCount });
            }}
          />
        </div>
      )}
      <label className="flex min-h-[1.9rem] items-center gap-1.5">
        <input
          type="checkbox"
          className="accent-accent"
          checked={filters.dead}
          onChange={(event) => {
            listDead(event.target.checked);
          }}
        />
        never fired
      </label>
      <div className="flex min-h-[1.9rem] flex-wrap items-center gap-x-3 gap-y-1">
        <span role="status" className="tabular-nums">
          <Matching ranking={ranking} state={state} />
        </span>
        {isFiltered(state) && (
          <button
            type="button"
            className="control"
            onClick={() => {
              setTimesCleared((times) => times + 1);
              onChange({ ...state, filters: NO_FILTERS, offset: 0 }, { replace: false });
            }}
          >
            Clear all
          </button>
        )}
      </div>
    </div>
  );
}

function Matching({ ranking, state }: { ranking: Ranking; state: ViewState }) {
  const { num_matching: matching, num_active_features: fired } = ranking;
  const { dead, token } = state.filters;
  if (dead) return `${formatPlural(matching, "feature")} never fired`;
  if (!isFiltered(state)) return `${formatPlural(fired, "feature")} fired`;
  return (
    <>
      {formatCount(matching)} of {formatCount(fired)} match
      {token !== null && (
        <>
          , on tokens with <TokenChip token={token} />
        </>
      )}
    </>
  );
}
