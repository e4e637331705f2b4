/** Compared features: how differently each fires, its densities and main tokens; all of a row leads to the feature. */

import { Link } from "wouter";

import type { ComparedFeature, ComparedSide, Comparison } from "../../apiTypes";
import { useTableKeyboard } from "../../hooks/useTableKeyboard";
import type { Side } from "../../lib/compareSides";
import { comparedFeaturePath, type CompareState } from "../../lib/compareState";
import { axisEnd, formatFactor } from "../../lib/confidenceInterval";
import { formatPlural, formatShare } from "../../lib/format";
import { TokenChips } from "../TokenChips";
import { BAR_WIDTH } from "./ConfidenceIntervalBar";
import { Difference } from "./Difference";
import { SideBadge, SideName, SIDE_TEXT } from "./SideBadge";

const COLUMNS = {
  twoRuns: "lg:grid-cols-[minmax(4rem,8rem)_21rem_minmax(0,1fr)_minmax(0,1fr)]",
  oneRun: "lg:grid-cols-[minmax(4rem,8rem)_21rem_minmax(5.5rem,10rem)_minmax(5.5rem,10rem)_minmax(0,1fr)]",
};
const GRID = "grid grid-cols-[4rem_minmax(0,1fr)] gap-x-4 gap-y-1 px-3";

type Props = {
  comparison: Comparison;
  state: CompareState;
  names: Record<Side, string>;
  /** A feature's label, where it has one. */
  labelOf?: (featureId: number) => string | null;
};

export function CompareTable({ comparison, state, names, labelOf = () => null }: Props) {
  const { body, onKeyDown } = useTableKeyboard<HTMLDivElement>();
  const { features, offset, num_matching: matching } = comparison;
  const end = axisEnd(features);
  // examples and so tokens are those of whole runs, the same for all parts of one
  const isOneRun = comparison.a.run === comparison.b.run;
  const grid = `${GRID} ${isOneRun ? COLUMNS.oneRun : COLUMNS.twoRuns}`;
  return (
    <div role="table" aria-label="Features" aria-rowcount={matching + 1} className="panel tabular-nums">
      <div role="rowgroup" className="border-b border-line py-2 text-xs text-muted">
        <div role="row" aria-rowindex={1} className={`items-end ${grid}`}>
          <span role="columnheader">Feature</span>
          <span role="columnheader">
            <AxisHead end={end} />
          </span>
          {(["a", "b"] as const).map((side) => (
            <span key={side} role="columnheader" className="min-w-0 max-lg:sr-only">
              <SideName side={side} name={names[side]} />
              {isOneRun ? "density" : "density, tokens of its examples"}
            </span>
          ))}
          {isOneRun && (
            <span role="columnheader" className="max-lg:sr-only">
              tokens of its examples in the whole run
            </span>
          )}
        </div>
      </div>
      <div role="rowgroup" ref={body} onKeyDown={onKeyDown} className="divide-y divide-line">
        {features.map((feature, position) => (
          <Row
            key={feature.feature_id}
            feature={feature}
            label={labelOf(feature.feature_id)}
            index={offset + position + 2} // the heads are row 1
            href={comparedFeaturePath(feature.feature_id, state)}
            end={end}
            grid={grid}
            isOneRun={isOneRun}
          />
        ))}
      </div>
    </div>
  );
}

/** Says which way is which, and how far the axis reaches. */
function AxisHead({ end }: { end: number }) {
  return (
    <span className="flex items-end gap-3">
      <span className="flex shrink-0 justify-between whitespace-nowrap" style={{ width: BAR_WIDTH }}>
        <span className={SIDE_TEXT.a}>← A {formatFactor(end)}</span>{" "}
        <span className={SIDE_TEXT.b}>{formatFactor(end)} B →</span>
      </span>{" "}
      <span className="max-sm:sr-only">how many times as often, log₂ (interval)</span>
    </span>
  );
}

type RowProps = {
  feature: ComparedFeature;
  label: string | null;
  index: number;
  href: string;
  end: number;
  grid: string;
  isOneRun: boolean;
};

function Row({ feature, label, index, href, end, grid, isOneRun }: RowProps) {
  return (
    <div
      role="row"
      aria-rowindex={index}
      className={`relative items-center py-1 focus-within:bg-sunken hover:bg-sunken ${grid}`}
    >
      <div role="cell" className="min-w-0">
        <Link href={href} className="font-medium text-accent after:absolute after:inset-0">
          {feature.feature_id}
        </Link>
        {label !== null && (
          <bdi className="block truncate text-xs" title={label}>
            {label}
          </bdi>
        )}
      </div>
      <div role="cell" className="flex flex-wrap items-center gap-x-3">
        <Difference feature={feature} end={end} />
      </div>
      <SideCell side="a" of={feature.a} hasTokens={!isOneRun} />
      <SideCell side="b" of={feature.b} hasTokens={!isOneRun} />
      {isOneRun && (
        <div role="cell" className="flex min-w-0 max-lg:col-span-2">
          <TokenChips tokens={feature.a.tokens} />
        </div>
      )}
    </div>
  );
}

function SideCell({ side, of, hasTokens }: { side: Side; of: ComparedSide; hasTokens: boolean }) {
  const isSilent = of.num_active_tokens === 0;
  return (
    <div
      role="cell"
      title={`${formatPlural(of.num_active_tokens, "active token")} in ${side.toUpperCase()}`}
      className="flex min-w-0 items-center gap-2 max-lg:col-span-2"
    >
      <span className="lg:hidden">
        <SideBadge side={side} />
      </span>
      <span className={`w-18 shrink-0 whitespace-nowrap ${isSilent ? "text-muted" : ""}`}>
        {isSilent ? "never" : formatShare(of.density)}
      </span>
      {hasTokens && <TokenChips tokens={of.tokens} />}
    </div>
  );
}
