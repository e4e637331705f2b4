/** Which rows are listed: fields for a text, for a column and for the row to begin with, and how far the search for the text is. */

import type { Prompt } from "../../apiTypes";
import { parseCount, parseToken } from "../../lib/featureFilters";
import { formatCount, formatPlural } from "../../lib/format";
import { isFiltered, type PromptsState } from "../../lib/promptState";
import { FilterField } from "../features/FilterField";
import { ColumnFilter } from "./ColumnFilter";

type Props = {
  state: PromptsState;
  onChange: (state: PromptsState) => void;
  /** The dataset's columns that the run keeps. */
  columns: readonly string[];
  rows: Prompt[];
  /** The row to go on from; null if all were looked at. */
  next: number | null;
  isSearching: boolean;
  /** Rows of the run, skipped ones included; null if that isn't known yet. */
  total: number | null;
};

export function PromptsFilters({ state, onChange, columns, ...found }: Props) {
  return (
    <div role="search" aria-label="Find rows" className="flex flex-wrap items-start gap-x-5 gap-y-2">
      <FilterField
        label="with the text"
        width="w-52 max-w-full"
        value={state.text}
        format={(text) => text ?? ""}
        parse={parseToken}
        onCommit={(text) => {
          onChange({ ...state, text, from: 0 });
        }}
      />
      {columns.length > 0 && <ColumnFilter columns={columns} state={state} onChange={onChange} />}
      <FilterField
        label="from row"
        width="w-24"
        inputMode="numeric"
        value={state.from || null}
        format={(from) => String(from ?? "")}
        parse={parseCount}
        onCommit={(from) => {
          onChange({ ...state, from: from ?? 0 });
        }}
      />
      <p role="status" className="flex min-h-[1.9rem] items-center tabular-nums">
        {isFiltered(state) ? describeSearch(found) : describeRows(found)}
      </p>
    </div>
  );
}

type Found = Omit<Props, "state" | "onChange" | "columns">;

function describeRows({ rows, total }: Found): string {
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) return "";
  const listed = `rows ${formatCount(first.row_id)} to ${formatCount(last.row_id)}`;
  return total === null ? listed : `${listed}, of ${formatPlural(total, "row")} in all`;
}

function describeSearch({ rows, next, isSearching }: Found): string {
  const found = formatPlural(rows.length, "row");
  if (next === null) return `${found} found`;
  if (isSearching) return `${found} found before row ${formatCount(next)}, looking further…`;
  return `${found} found before row ${formatCount(next)}`;
}
