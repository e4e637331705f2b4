/** A log ratio and its confidence interval, as a bar on an axis around 0. The numbers stand beside it. */

import { axisEnd, excludesZero, type Interval, onAxis } from "../../lib/confidenceInterval";

const WIDTH = 144;
const HEIGHT = 16;
const EDGE = 3; // keeps the dot within the picture

type Props = {
  interval: Interval;
  /** Where the axis ends; by default this interval's own. */
  end?: number;
};

export function ConfidenceIntervalBar({ interval, end = axisEnd([interval]) }: Props) {
  const x = (value: number) => EDGE + onAxis(value, end) * (WIDTH - 2 * EDGE);
  const { low, high, log_ratio: ratio } = interval;
  return (
    <svg
      width={WIDTH}
      height={HEIGHT}
      aria-hidden="true"
      data-testid="interval"
      className={`shrink-0 ${excludesZero(interval) ? "fill-accent stroke-accent" : "fill-faint stroke-faint"}`}
    >
      <line x1={x(-end)} x2={x(end)} y1={HEIGHT / 2} y2={HEIGHT / 2} className="stroke-line" />
      <line x1={x(0)} x2={x(0)} y1={0} y2={HEIGHT} className="stroke-faint" />
      <line x1={x(low)} x2={x(high)} y1={HEIGHT / 2} y2={HEIGHT / 2} strokeWidth={3} />
      <circle cx={x(ratio)} cy={HEIGHT / 2} r={3} stroke="none" />
    </svg>
  );
}
