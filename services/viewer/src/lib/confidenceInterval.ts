/** Intervals of log ratios: as words, and where they are on an axis around 0. Knows nothing of pages. */

import { formatCount } from "./format";

export type Interval = { log_ratio: number; low: number; high: number };

const AXIS_ENDS = [0.5, 1, 2, 3, 4, 6, 8, 12];
const SHARE_WITHIN = 0.8; // of the intervals; the others end in an arrow, so that one of them doesn't squeeze the rest

/** A number with its sign and two decimals: "+1.88", "−0.40", "0.00". */
export function formatSigned(value: number): string {
  const size = Math.abs(value).toFixed(2);
  if (Number(size) === 0) return size;
  return `${value > 0 ? "+" : "−"}${size}`;
}

/** "+1.88 (+0.65 to +3.10)" */
export function formatInterval({ log_ratio: ratio, low, high }: Interval): string {
  return `${formatSigned(ratio)} (${formatSigned(low)} to ${formatSigned(high)})`;
}

/** A log₂ ratio as a factor of at least 1: "3.2×", "120×". */
export function formatFactor(logRatio: number): string {
  const factor = 2 ** Math.abs(logRatio);
  if (factor >= 10_000) return `over ${formatCount(10_000)}×`;
  if (Number.isInteger(factor)) return `${formatCount(factor)}×`;
  return `${factor < 10 ? factor.toFixed(1) : formatCount(Math.round(factor))}×`;
}

/** To where an axis reaches on both sides of 0, so that most of these intervals are whole on it. */
export function axisEnd(intervals: readonly Interval[]): number {
  const needed = intervals.map(({ low, high }) => Math.max(-low, high)).sort((x, y) => x - y);
  const mostNeeded = needed[Math.ceil(SHARE_WITHIN * needed.length) - 1] ?? 0;
  return AXIS_ENDS.find((end) => end >= mostNeeded) ?? AXIS_ENDS[AXIS_ENDS.length - 1] ?? 1;
}

/** Where a value is between the axis's ends, from 0 to 1; what is beyond is at the end. */
export function onAxis(value: number, end: number): number {
  return Math.min(1, Math.max(0, (value + end) / (2 * end)));
}

/** At which ends of the axis an interval goes on. */
export function goesBeyond({ low, high }: Interval, end: number): { left: boolean; right: boolean } {
  return { left: low < -end, right: high > end };
}

/** Whether the densities differ, as far as this one interval says. */
export function excludesZero({ low, high }: Interval): boolean {
  return low > 0 || high < 0;
}
