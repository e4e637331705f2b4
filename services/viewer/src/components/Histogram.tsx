/**
 * How many tokens have which activation, on a log count axis, coloured by band of strength.
 *
 * One tab stop: arrow keys move from bin to bin, Enter chooses the bin's band, as a click does; the line above the plot
 * names the bin under the pointer or the cursor.
 */

import { type CSSProperties, type KeyboardEvent, useId, useMemo, useState } from "react";

import { useWidth } from "../hooks/useWidth";
import { type Band, bandAt } from "../lib/bands";
import { formatCount, formatPlural } from "../lib/format";
import { type Bin, countTicks, histogramBins } from "../lib/histogram";
import { linearScale, logScale, ticksUpTo } from "../lib/scales";

const HEIGHT = 120;
const MARGIN = { top: 6, right: 12, bottom: 18, left: 38 };
const LOWEST_COUNT = 0.7; // below 1 on the log axis, so that a bin of one token has a bar

type Props = {
  hist: Record<string, number>;
  binWidth: number;
  bands: Band[];
  /** The only band that is shown elsewhere. */
  chosen: Band | undefined;
  onChoose: (band: Band | null) => void;
  /** What is said while no bin is pointed at. */
  note: string;
};

export function Histogram({ hist, binWidth, bands, chosen, onChoose, note }: Props) {
  const [frame, width] = useWidth();
  const [current, setCurrent] = useState<Bin | null>(null);
  const id = useId();
  const bins = useMemo(() => histogramBins(hist, binWidth), [hist, binWidth]);

  const choose = (bin: Bin | null) => {
    const band = bin === null ? undefined : bandOf(bin, bands);
    if (band !== undefined) onChoose(band.index === chosen?.index ? null : band);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose(current);
    }
    if (step === undefined) return;
    event.preventDefault(); // also keeps the page from going to the next feature
    const position = current === null ? 0 : Math.min(Math.max(current.index - 1 + step, 0), bins.length - 1);
    setCurrent(bins[position] ?? null);
  };
  const leave = () => {
    setCurrent(null);
  };

  return (
    <figure>
      <figcaption className="flex flex-wrap items-baseline justify-between gap-x-3">
        <h2 className="font-semibold">How strong</h2>
        <span className="text-xs text-muted tabular-nums" aria-live="polite">
          {current === null ? note : describe(current)}
        </span>
      </figcaption>
      <div ref={frame} className="mt-1">
        {width !== null && (
          <svg
            width={width}
            height={HEIGHT}
            role="listbox"
            aria-label={`Histogram of ${formatPlural(total(bins), "activation")}, up to ${bins.at(-1)?.to ?? 0}; choose a bin for the examples of its band`}
            aria-activedescendant={current === null ? undefined : `${id}-${current.index}`}
            tabIndex={0}
            className="block rounded text-[11px] tabular-nums"
            onKeyDown={onKeyDown}
            onMouseLeave={leave}
            onBlur={leave}
          >
            <Plot {...{ id, bins, width, current, bands, chosen }} onPoint={setCurrent} onChoose={choose} />
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

function bandOf(bin: Bin, bands: Band[]): Band | undefined {
  return bandAt(bands, (bin.from + bin.to) / 2);
}

type PlotProps = {
  id: string;
  bins: Bin[];
  width: number;
  current: Bin | null;
  bands: Band[];
  chosen: Band | undefined;
  onPoint: (bin: Bin) => void;
  onChoose: (bin: Bin) => void;
};

function Plot({ id, bins, width, current, bands, chosen, onPoint, onChoose }: PlotProps) {
  const highest = Math.max(1, ...bins.map((bin) => bin.count));
  const bottom = HEIGHT - MARGIN.bottom;
  const end = bins.at(-1)?.to ?? 1;
  const x = linearScale([0, end], [MARGIN.left, width - MARGIN.right]);
  const y = logScale([LOWEST_COUNT, highest * 1.2], [bottom, MARGIN.top]);
  const gap = (width - MARGIN.left - MARGIN.right) / Math.max(1, bins.length) > 4 ? 1 : 0;

  return (
    <>
      <Axes {...{ x, y, end, width, highest, bottom }} />
      {bins.map((bin) => {
        const band = bandOf(bin, bands);
        return (
          <g
            key={bin.index}
            id={`${id}-${bin.index}`}
            role="option"
            aria-label={describe(bin)}
            aria-selected={chosen !== undefined && band?.index === chosen.index}
            className="cursor-pointer"
            onMouseEnter={() => {
              onPoint(bin);
            }}
            onClick={() => {
              onChoose(bin);
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
                style={{ "--heat": (band?.heat ?? 1).toFixed(4) } as CSSProperties}
                className={`band-bar ${chosen === undefined || band?.index === chosen.index ? "" : "opacity-30"}`}
              />
            )}
          </g>
        );
      })}
    </>
  );
}

type Scale = (value: number) => number;
type AxesProps = { x: Scale; y: Scale; end: number; width: number; highest: number; bottom: number };

function Axes({ x, y, end, width, highest, bottom }: AxesProps) {
  return (
    <>
      {sparse(countTicks(highest)).map((tick) => (
        <g key={tick}>
          <line x1={MARGIN.left} x2={width - MARGIN.right} y1={y(tick)} y2={y(tick)} className="stroke-line" />
          <text x={MARGIN.left - 6} y={y(tick)} dy="0.32em" textAnchor="end" className="fill-muted">
            {formatCount(tick)}
          </text>
        </g>
      ))}
      <line x1={MARGIN.left} x2={width - MARGIN.right} y1={bottom} y2={bottom} className="stroke-faint" />
      {ticksUpTo(end, Math.max(2, Math.floor(width / 60))).map((tick) => (
        <g key={tick}>
          <line x1={x(tick)} x2={x(tick)} y1={bottom} y2={bottom + 4} className="stroke-faint" />
          <text x={x(tick)} y={bottom + 15} textAnchor="middle" className="fill-muted">
            {tick}
          </text>
        </g>
      ))}
    </>
  );
}

/** Powers of ten alone where there are too many labels for the height. */
function sparse(ticks: number[]): number[] {
  return ticks.length <= 6 ? ticks : ticks.filter((tick) => Number.isInteger(Math.log10(tick)));
}
