/** How strongly a feature fires on both sides: A's bars upwards, B's downwards, on one axis, shares on a log scale. */

import { useMemo, useState } from "react";

import type { FeatureInfo } from "../../apiTypes";
import { useWidth } from "../../hooks/useWidth";
import { formatCount, formatShare } from "../../lib/format";
import { type PairedBin, pairedBins, smallestShare } from "../../lib/pairedHistogram";
import { linearScale, logScale, ticksUpTo } from "../../lib/scales";
import { SideBadge } from "./SideBadge";

const HALF = 70;
const AXIS = 18; // between the halves, for the activations
const HEIGHT = 2 * HALF + AXIS;
const EDGE = 8;

export function PairedHistogram({ a, b }: { a: FeatureInfo; b: FeatureInfo }) {
  const [frame, width] = useWidth();
  const [current, setCurrent] = useState<PairedBin | null>(null);
  const bins = useMemo(() => pairedBins(a, b), [a, b]);
  if (bins.length === 0) return null;
  const end = bins.at(-1)?.to ?? 0;
  return (
    <figure className="panel px-4 py-3">
      <figcaption className="flex flex-wrap items-baseline justify-between gap-x-3">
        <span className="font-semibold">How strongly</span>
        <span className="text-xs text-muted tabular-nums" aria-live="polite">
          {current === null ? "share of all counted tokens, log scale" : describe(current)}
        </span>
      </figcaption>
      <div className="mt-1 flex gap-2">
        <div className="flex flex-col justify-around" style={{ height: HEIGHT }}>
          <SideBadge side="a" />
          <SideBadge side="b" />
        </div>
        <div ref={frame} className="min-w-0 grow">
          {width !== null && (
            <svg
              width={width}
              height={HEIGHT}
              role="img"
              aria-label={`Activations up to ${end}: at most ${a.max_act.toFixed(3)} in A and ${b.max_act.toFixed(3)} in B`}
              className="block text-[11px] tabular-nums"
              onMouseLeave={() => {
                setCurrent(null);
              }}
            >
              <Plot bins={bins} width={width} current={current} onPoint={setCurrent} />
            </svg>
          )}
        </div>
      </div>
    </figure>
  );
}

function describe({ from, to, a, b, countA, countB }: PairedBin): string {
  return (
    `${from} < a ≤ ${to}: ${formatShare(a)} in A (${formatCount(countA)} tokens), ` +
    `${formatShare(b)} in B (${formatCount(countB)})`
  );
}

type PlotProps = { bins: PairedBin[]; width: number; current: PairedBin | null; onPoint: (bin: PairedBin) => void };

function Plot({ bins, width, current, onPoint }: PlotProps) {
  const least = smallestShare(bins);
  const most = Math.max(...bins.flatMap(({ a, b }) => [a, b]));
  const end = bins.at(-1)?.to ?? 1;
  const x = linearScale([0, end], [EDGE, width - EDGE]);
  const length = logScale([least, most], [0, HALF]);
  const bar = (share: number) => (share === 0 ? 0 : Math.max(1, length(share)));
  return (
    <>
      {bins.map((bin) => {
        const [left, right] = [x(bin.from), x(bin.to)];
        const shown = { x: left, width: Math.max(1, right - left - (right - left > 4 ? 1 : 0)) };
        return (
          <g
            key={bin.to}
            onMouseEnter={() => {
              onPoint(bin);
            }}
          >
            <rect
              x={left}
              width={right - left}
              y={0}
              height={HEIGHT}
              className={bin === current ? "fill-sunken" : "fill-transparent"}
            />
            <rect {...shown} y={HALF - bar(bin.a)} height={bar(bin.a)} className="fill-side-a" data-testid="bar-a" />
            <rect {...shown} y={HALF + AXIS} height={bar(bin.b)} className="fill-side-b" data-testid="bar-b" />
          </g>
        );
      })}
      {ticksUpTo(end, Math.max(2, Math.floor(width / 60))).map((tick) => (
        <text
          key={tick}
          x={x(tick)}
          y={HALF + AXIS / 2}
          dy="0.35em"
          textAnchor={tick === 0 ? "start" : "middle"}
          className="fill-muted"
        >
          {tick}
        </text>
      ))}
    </>
  );
}
