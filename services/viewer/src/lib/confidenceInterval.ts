/** Intervals of log ratios: as words, and where they are on an axis around 0. Knows nothing of pages. */

export type Interval = { log_ratio: number; low: number; high: number };

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

/** The whole number, at least 1, to which an axis must reach on both sides of 0 to show all of these. */
export function axisEnd(intervals: readonly Interval[]): number {
  return Math.max(1, ...intervals.map(({ low, high }) => Math.ceil(Math.max(-low, high))));
}

/** Where a value is between the axis's ends, from 0 to 1. */
export function onAxis(value: number, end: number): number {
  return (value + end) / (2 * end);
}

/** Whether the densities differ for sure, as far as the interval says. */
export function excludesZero({ low, high }: Interval): boolean {
  return low > 0 || high < 0;
}
