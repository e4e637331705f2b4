/** One feature in the table; all of the row leads to its page. A row whose feature isn't there yet is empty. */

import { memo } from "react";
import { Link } from "wouter";

import type { RankedFeature } from "../../apiTypes";
import type { Column } from "../../lib/featureColumns";
import { formatCount, formatNumber } from "../../lib/format";
import { Sparkline } from "./Sparkline";
import { TokenChips } from "./TokenChips";

type Props = {
  rank: number;
  top: number;
  feature: RankedFeature | undefined;
  /** The feature's page; while there is no feature, where the row stands. */
  href: string;
  columns: Column[];
  isTabStop: boolean;
};

// on the cell itself: an element less in each is a third less to lay out while the list is scrolled
const LOOK: Record<Column["kind"], string> = {
  rank: "text-right text-faint",
  feature: "text-right",
  tokens: "",
  value: "text-right font-medium",
  histogram: "",
  count: "text-right",
  metric: "text-right text-muted",
};

export const FeatureRow = memo(function FeatureRow({ rank, top, feature, href, columns, isTabStop }: Props) {
  return (
    <div
      role="row"
      aria-rowindex={rank + 2} // the heads are row 1
      data-row={rank}
      style={{ top }}
      className="grid grid-cols-(--feature-columns) items-center absolute inset-x-0 contain-strict h-[34px] border-b border-line focus-within:bg-sunken hover:bg-sunken"
    >
      {columns.map((column) => (
        <div key={column.name} role="cell" className={`min-w-0 truncate px-2 ${LOOK[column.kind]}`}>
          {column.kind === "rank" && formatCount(rank + 1)}
          {column.kind === "feature" && (
            <Link
              href={href}
              tabIndex={isTabStop ? 0 : -1}
              aria-disabled={feature === undefined}
              onClick={(event) => {
                if (feature === undefined) event.preventDefault();
              }}
              className="font-medium text-accent after:absolute after:inset-0"
            >
              {feature?.feature_id ?? "…"}
            </Link>
          )}
          {feature !== undefined && <Cell column={column} feature={feature} />}
        </div>
      ))}
    </div>
  );
});

function Cell({ column, feature }: { column: Column; feature: RankedFeature }) {
  switch (column.kind) {
    case "tokens":
      return <TokenChips tokens={feature.tokens ?? []} />;
    case "value":
      return formatNumber(feature.value);
    case "histogram":
      return <Sparkline hist={feature.hist ?? {}} />;
    case "count":
      return formatCount(feature.num_active_tokens);
    case "metric":
      return formatNumber(feature.metrics[column.name] ?? NaN);
    default:
      return null;
  }
}
