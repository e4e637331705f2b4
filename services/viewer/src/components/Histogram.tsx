/**
 * How many tokens have which activation, on a log count axis.
 *
 * One tab stop: arrow keys move from bin to bin; the line above the plot names the bin under the pointer or the cursor.
 */

import { scaleLinear, scaleLog } from "d3-scale";
import { type KeyboardEvent, useMemo, useState } from "react";

import { useWidth } from "../hooks/useWidth";
import { formatCount, formatPlural } from "../lib/format";
import { type Bin, countTicks, histogramBins } from "../lib/histogram";

const HEIGHT = 220;
const MARGIN = { top: 8, right: 12, bottom: 40, left: 56 };
const LOWEST_COUNT = 0.6; // below 1 on the log axis, so that a bin of one token has a bar

type Props = { hist: Record<string, number>; binWidth: number };

export function Histogram({ hist, binWidth }: Props) {
  const [frame, width] = useWidth();
  const [current, setCurrent] = useState<Bin | null>(null);
  const bins = useMemo(() => histogramBins(hist, binWidth), [hist, binWidth]);

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault(); // also keeps the page from going to the next feature
    const position = current === null ? 0 : Math.min(Math.max(current.index - 1 + step, 0), bins.length - 1);
    setCurrent(bins[position] ?? null);
  };

  return (
    <figure>
      <figcaption className="flex flex-wrap items-baseline justify-between gap-x-3">
        <span className="font-semibold">Activations</span>
        <span className="text-xs text-muted tabular-nums" aria-live="polite">
          {current === null ? `bins of ${binWidth}` : describe(current)}
        </span>
      </figcaption>
      <div ref={frame} className="mt-1">
        {width !== null && (
          <svg
            width={width}
            height={HEIGHT}
            role="img"
            aria-label={`Histogram of ${formatPlural(total(bins), "activation")}, up to ${bins.at(-1)?.to ?? 0}`}
            tabIndex={0}
            className="block rounded text-[11px] tabular-nums"
            onKeyDown={onKeyDown}
            onMouseLeave={() => {
              setCurrent(null);
            }}
            onBlur={() => {
              setCurrent(null);
            }}
          >
            <Plot bins={bins} width={width} current={current} onPoint={setCurrent} />
          </svg>
        )}
      </div>
    </figure>
  );
}

function describe(bin: Bin): string {
  return `${bin.from} < a ≤ ${bin.to}: ${formatPlural(bin.count, "token")}`;
}

function total(bins: Bin[]): number {
  return bins.reduce((sum, bin) => sum + bin.count, 0);
}

type PlotProps = { bins: Bin[]; width: number; current: Bin | null; onPoint: (bin: Bin) => void };

function Plot({ bins, width, current, onPoint }: PlotProps) {
  const highest = Math.max(1, ...bins.map((bin) => bin.count));
  const bottom = HEIGHT - MARGIN.bottom;
  const x = scaleLinear()
    .domain([0, bins.at(-1)?.to ?? 1])
    .range([MARGIN.left, width - MARGIN.right]);
  const y = scaleLog()
    .domain([LOWEST_COUNT, highest * 1.2])
    .range([bottom, MARGIN.top]);
  const gap = (width - MARGIN.left - MARGIN.right) / Math.max(1, bins.length) > 4 ? 1 : 0;
  const middle = (MARGIN.left + width - MARGIN.right) / 2;

  return (
    <>
      {countTicks(highest).map((tick) => (
        <g key={tick}>
          <line x1={MARGIN.left} x2={width - MARGIN.right} y1={y(tick)} y2={y(tick)} className="stroke-line" />
          <text x={MARGIN.left - 6} y={y(tick)} dy="0.32em" textAnchor="end" className="fill-muted">
            {formatCount(tick)}
          </text>
        </g>
      ))}
      {bins.map((bin) => (
        <g
          key={bin.index}
          onMouseEnter={() => {
            onPoint(bin);
          }}
        >
          <rect
            x={x(bin.from)}
            y={MARGIN.top}
            width={x(bin.to) - x(bin.from)}
            height={bottom - MARGIN.top}
            className={bin.index === current?.index ? "fill-sunken" : "fill-transparent"}
          />
          {bin.count > 0 && (
            <rect
              data-testid="bar"
              x={x(bin.from)}
              y={y(bin.count)}
              width={Math.max(1, x(bin.to) - x(bin.from) - gap)}
              height={bottom - y(bin.count)}
              className={bin.index === current?.index ? "fill-ink" : "fill-bar"}
            />
          )}
        </g>
      ))}
      <line x1={MARGIN.left} x2={width - MARGIN.right} y1={bottom} y2={bottom} className="stroke-faint" />
      {x.ticks(Math.max(2, Math.floor(width / 60))).map((tick) => (
        <g key={tick}>
          <line x1={x(tick)} x2={x(tick)} y1={bottom} y2={bottom + 4} className="stroke-faint" />
          <text x={x(tick)} y={bottom + 15} textAnchor="middle" className="fill-muted">
            {tick}
          </text>
        </g>
      ))}
      <text x={middle} y={HEIGHT - 6} textAnchor="middle" className="fill-muted">
        activation a &gt; 0
      </text>
      <text
        transform={`translate(11 ${(MARGIN.top + bottom) / 2}) rotate(-90)`}
        textAnchor="middle"
        className="fill-muted"
      >
        tokens (log)
      </text>
    </>
  );
}
