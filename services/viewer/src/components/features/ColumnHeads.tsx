/** The heads of the table of features; by most of them the list can be sorted. */

import type { Ranking } from "../../apiTypes";
import { useRovingGroup } from "../../hooks/useRovingGroup";
import { type Column, columnTitle } from "../../lib/featureColumns";

type Props = { columns: Column[]; ranking: Ranking; onSort: (name: string) => void };

export function ColumnHeads({ columns, ranking, onSort }: Props) {
  const group = useRovingGroup<HTMLDivElement>();
  return (
    <div
      {...group}
      role="row"
      aria-rowindex={1}
      className="grid grid-cols-(--feature-columns) items-center h-[38px] text-xs leading-tight text-muted"
    >
      {columns.map((column) => {
        const isSorted = column.name === ranking.sort;
        const isText = column.kind === "tokens" || column.kind === "histogram";
        return (
          <div
            key={column.name}
            role="columnheader"
            aria-sort={isSorted ? (ranking.order === "desc" ? "descending" : "ascending") : undefined}
            className={`min-w-0 px-2 ${isText ? "" : "text-right"}`}
          >
            {isText || column.kind === "rank" ? (
              columnTitle(column.name)
            ) : (
              <button
                type="button"
                title={ranking.metric_descriptions[column.name]}
                onClick={() => {
                  onSort(column.name);
                }}
                className={`hover:text-ink hover:underline text-right ${isSorted ? "text-ink" : ""}`}
              >
                {columnTitle(column.name)}
                {isSorted && <span aria-hidden="true"> {ranking.order === "desc" ? "↓" : "↑"}</span>}
              </button>
            )}
          </div>
        );
      })}
    </div>
  );
}
