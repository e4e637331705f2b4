/**
 * A log ratio and its confidence interval, as a bar on an axis around 0. The numbers stand beside it.
 *
 * To the left it fires more in A, to the right in B. A filled dot: the feature differs; a hollow one: it may not. An
 * arrow: it goes on beyond the axis.
 */

import { axisEnd, goesBeyond, type Interval, onAxis } from "../../lib/confidenceInterval";

export const BAR_WIDTH = 144;
const HEIGHT = 16;
const EDGE = 6; // keeps dots and arrows within the picture
const ARROW = 4;

type Props = {
  interval: Interval;
  differs: boolean;
  /** Where the axis ends; by default this interval's own. */
  end?: number;
};

export function ConfidenceIntervalBar({ interval, differs, end = axisEnd([interval]) }: Props) {
  const x = (value: number) => EDGE + onAxis(value, end) * (BAR_WIDTH - 2 * EDGE);
  const { low, high, log_ratio: ratio } = interval;
  const beyond = goesBeyond(interval, end);
  const middle = HEIGHT / 2;
  return (
    <svg
      width={BAR_WIDTH}
      height={HEIGHT}
      aria-hidden="true"
      data-testid="interval"
      className={`shrink-0 ${colour(ratio, differs)}`}
    >
      <line x1={x(-end)} x2={x(end)} y1={middle} y2={middle} className="stroke-line" />
      <line x1={x(0)} x2={x(0)} y1={0} y2={HEIGHT} className="stroke-faint" />
      <line x1={x(low)} x2={x(high)} y1={middle} y2={middle} strokeWidth={3} />
      {beyond.left && <Arrow tip={0} base={EDGE + ARROW} />}
      {beyond.right && <Arrow tip={BAR_WIDTH} base={BAR_WIDTH - EDGE - ARROW} />}
      {Math.abs(ratio) <= end && (
        <circle cx={x(ratio)} cy={middle} r={3.5} strokeWidth={1.5} className={differs ? "" : "fill-panel"} />
      )}
    </svg>
  );
}

function Arrow({ tip, base }: { tip: number; base: number }) {
  return <path d={`M${tip} ${HEIGHT / 2}L${base} 2V${HEIGHT - 2}Z`} stroke="none" data-testid="beyond" />;
}

function colour(ratio: number, differs: boolean): string {
  if (!differs) return "fill-faint stroke-faint";
  return ratio > 0 ? "fill-side-b stroke-side-b" : "fill-side-a stroke-side-a";
}
