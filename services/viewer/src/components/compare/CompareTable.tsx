/** Features of two runs, each with the log ratio of its densities; all of a row leads to the feature in both runs. */

import { Link } from "wouter";

import type { ComparedFeature, ComparedSide, Comparison } from "../../apiTypes";
import { useTableKeyboard } from "../../hooks/useTableKeyboard";
import { comparedFeaturePath, type CompareState } from "../../lib/compareState";
import { formatCount, formatShare } from "../../lib/format";
import { axisEnd, formatInterval } from "../../lib/confidenceInterval";
import { TokenChips } from "../TokenChips";
import { ConfidenceIntervalBar } from "./ConfidenceIntervalBar";

const GRID =
  "grid grid-cols-[4.5rem_minmax(0,1fr)] gap-x-4 gap-y-1 px-3 md:grid-cols-[4.5rem_11rem_minmax(0,1fr)_minmax(0,1fr)] xl:grid-cols-[4.5rem_25rem_minmax(0,1fr)_minmax(0,1fr)]";

export function CompareTable({ comparison, state }: { comparison: Comparison; state: CompareState }) {
  const { body, onKeyDown } = useTableKeyboard<HTMLDivElement>();
  const { features, offset, num_matching: matching } = comparison;
  const end = axisEnd(features);
  return (
    <div role="table" aria-label="Features" aria-rowcount={matching + 1} className="panel tabular-nums">
      <div role="rowgroup" className="border-b border-line py-2 text-xs text-muted">
        <div role="row" aria-rowindex={1} className={GRID}>
          <span role="columnheader">Feature</span>
          <span role="columnheader">
            log₂ ratio, −{end} to +{end}
          </span>
          <span role="columnheader" className="max-md:sr-only">
            In a: density, tokens
          </span>
          <span role="columnheader" className="max-md:sr-only">
            In b: density, tokens
          </span>
        </div>
      </div>
      <div role="rowgroup" ref={body} onKeyDown={onKeyDown} className="divide-y divide-line">
        {features.map((feature, position) => (
          <Row
            key={feature.feature_id}
            feature={feature}
            index={offset + position + 2} // the heads are row 1
            href={comparedFeaturePath(feature.feature_id, state)}
            end={end}
          />
        ))}
      </div>
    </div>
  );
}

type RowProps = { feature: ComparedFeature; index: number; href: string; end: number };

function Row({ feature, index, href, end }: RowProps) {
  return (
    <div
      role="row"
      aria-rowindex={index}
      className={`relative items-center py-1.5 focus-within:bg-sunken hover:bg-sunken ${GRID}`}
    >
      <div role="cell">
        <Link href={href} className="font-medium text-accent after:absolute after:inset-0">
          {feature.feature_id}
        </Link>
      </div>
      <div role="cell" className="flex flex-wrap items-center gap-x-3">
        <ConfidenceIntervalBar interval={feature} end={end} />
        {formatInterval(feature)}
      </div>
      <Side name="a" side={feature.a} />
      <Side name="b" side={feature.b} />
    </div>
  );
}

function Side({ name, side }: { name: string; side: ComparedSide }) {
  return (
    <div
      role="cell"
      title={`${formatCount(side.num_active_tokens)} active tokens in ${name}`}
      className="flex min-w-0 items-center gap-2 max-md:col-span-2"
    >
      <span className="text-xs text-muted md:hidden">{name}</span>
      <span className="w-20 shrink-0 whitespace-nowrap">{formatShare(side.density)}</span>
      <TokenChips tokens={side.tokens} />
    </div>
  );
}
