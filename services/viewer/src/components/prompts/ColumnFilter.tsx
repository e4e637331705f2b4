/** Rows by what one of the dataset's own columns has: which column, and the value or a part of it. */

import { useState } from "react";

import { parseToken } from "../../lib/featureFilters";
import type { PromptsState } from "../../lib/promptState";
import { FilterField } from "../features/FilterField";

type Props = {
  /** The columns that the run keeps. */
  columns: readonly string[];
  state: PromptsState;
  onChange: (state: PromptsState) => void;
};

export function ColumnFilter({ columns, state, onChange }: Props) {
  const [chosen, setChosen] = useState({ column: columns[0] ?? "", isWhole: false });
  const { column, isWhole } = state.column === null ? chosen : { column: state.column, isWhole: state.value !== null };
  const change = (to: { column: string; isWhole: boolean }, wanted: string | null) => {
    setChosen(to);
    if (wanted === null && state.column === null) return;
    const asked = wanted === null ? null : to.column;
    onChange({
      ...state,
      column: asked,
      value: to.isWhole ? wanted : null,
      contains: to.isWhole ? null : wanted,
      from: 0,
    });
  };
  const wanted = state.value ?? state.contains;
  return (
    <div role="group" aria-label="By a column" className="flex flex-wrap items-start gap-1.5">
      <select
        aria-label="column"
        className="control max-w-36"
        value={column}
        onChange={(event) => {
          change({ column: event.target.value, isWhole }, wanted);
        }}
      >
        {columns.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <select
        aria-label="how the column’s value is compared"
        className="control"
        value={isWhole ? "is" : "contains"}
        onChange={(event) => {
          change({ column, isWhole: event.target.value === "is" }, wanted);
        }}
      >
        <option>contains</option>
        <option>is</option>
      </select>
      <FilterField
        label=""
        name="value in the column"
        width="w-36 max-w-full"
        value={wanted}
        format={(text) => text ?? ""}
        parse={parseToken}
        onCommit={(text) => {
          change({ column, isWhole }, text);
        }}
      />
    </div>
  );
}
