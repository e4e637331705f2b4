/** What the compared features are ordered by, and how often they must have fired. */

import { useId } from "react";

import { COMPARED_BY, type CompareState, isComparedBy } from "../../lib/compareState";
import { parseCount } from "../../lib/featureFilters";
import { FilterField } from "../features/FilterField";
import { OrderButton } from "../OrderButton";

type Props = {
  state: CompareState;
  /** Whether texts were compared, without which there is no evidence to order by. */
  ofTexts: boolean;
  onChange: (state: CompareState, how: { replace: boolean }) => void;
};

export function CompareControls({ state, ofTexts, onChange }: Props) {
  const id = useId();
  return (
    <div className="flex flex-wrap items-start gap-x-5 gap-y-2">
      <div className="flex flex-wrap items-center gap-2">
        <label htmlFor={id} className="text-muted">
          Ordered by
        </label>
        <select
          id={id}
          className="control font-medium"
          value={state.sort}
          onChange={({ target: { value } }) => {
            if (!isComparedBy(value)) return;
            onChange(
              { ...state, sort: value, order: value === "feature_id" ? "asc" : "desc", offset: 0 },
              { replace: false },
            );
          }}
        >
          {Object.entries(COMPARED_BY)
            .filter(([name]) => ofTexts || name !== "log_odds" || state.sort === name)
            .map(([name, title]) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
        </select>
        <OrderButton
          order={state.order}
          onTurn={() => {
            const order = state.order === "desc" ? "asc" : "desc";
            onChange({ ...state, order, offset: 0 }, { replace: false });
          }}
        />
      </div>
      <FilterField
        label="active tokens at least"
        name="active tokens in both runs together, at least"
        width="w-20"
        inputMode="numeric"
        value={state.minCount}
        format={(count) => String(count ?? "")}
        parse={parseCount}
        onCommit={(minCount) => {
          onChange({ ...state, minCount, offset: 0 }, { replace: true });
        }}
      />
    </div>
  );
}
