/** One feature in the table; all of the row leads to its page. A row whose feature isn't there yet is empty. */

import { memo } from "react";

import type { Label, RankedFeature } from "../../apiTypes";
import { basePath } from "../../lib/basePath";
import type { Column } from "../../lib/featureColumns";
import { formatCount, formatMetric } from "../../lib/format";
import { Star } from "../labels/FeatureName";
import { LabelText } from "../labels/LabelText";
import { Sparkline } from "./Sparkline";
import { TokenChips } from "../TokenChips";

type Props = {
  rank: number;
  top: number;
  feature: RankedFeature | undefined;
  /** The feature's page; while there is no feature, where the row stands. */
  href: string;
  columns: Column[];
  isTabStop: boolean;
  /** What is said of the feature. */
  label: Label | undefined;
  /** The id of the card that shows its texts, while it does. */
  describedBy: string | undefined;
};

// on the cell itself: an element less in each is a third less to lay out while the list is scrolled
const LOOK: Record<Column["kind"], string> = {
  rank: "text-right text-faint",
  feature: "text-right",
  tokens: "truncate",
  value: "text-right font-medium",
  histogram: "",
  count: "text-right truncate",
  metric: "text-right text-muted",
};

export const FeatureRow = memo(function FeatureRow({ rank, top, feature, href, columns, isTabStop, ...props }: Props) {
  const { label, describedBy } = props;
  return (
    <div
      role="row"
      aria-rowindex={rank + 2} // the heads are row 1
      data-row={rank}
      style={{ top }}
      className="absolute inset-x-0 grid h-[34px] grid-cols-(--feature-columns) items-center border-b border-line contain-strict focus-within:bg-sunken hover:bg-sunken"
    >
      {/* by their names, so that the link, which may have the focus, is the same when the other cells come */}
      {(feature === undefined ? columns.filter(({ kind }) => kind === "feature") : columns).map((column) => (
        <div key={column.name} role="cell" className={`min-w-0 px-2 whitespace-nowrap ${LOOK[column.kind]}`}>
          {column.kind === "feature" && label?.starred === true && <Star />}
          {column.kind === "feature" ? (
            <a
              href={`${basePath()}${href}`}
              tabIndex={isTabStop ? 0 : -1}
              aria-disabled={feature === undefined}
              aria-describedby={describedBy}
              className="font-medium text-accent after:absolute after:inset-0"
            >
              {feature?.feature_id ?? "…"}
            </a>
          ) : (
            feature !== undefined && <Cell column={column} rank={rank} feature={feature} text={label?.label ?? null} />
          )}
        </div>
      ))}
    </div>
  );
});

type CellProps = { column: Column; rank: number; feature: RankedFeature; text: string | null };

function Cell({ column, rank, feature, text }: CellProps) {
  switch (column.kind) {
    case "rank":
      return formatCount(rank + 1);
    case "tokens":
      return (
        <>
          {text !== null && (
            <b className="pr-1.5 font-semibold" data-testid="label">
              <LabelText text={text} />
            </b>
          )}
          <TokenChips tokens={feature.tokens ?? []} />
        </>
      );
    case "value":
      return formatMetric(column.name, feature.value);
    case "histogram":
      return <Sparkline hist={feature.hist ?? {}} />;
    case "count":
      return formatCount(feature.num_active_tokens);
    case "metric":
      return formatMetric(column.name, feature.metrics[column.name] ?? NaN);
    default:
      return null;
  }
}
