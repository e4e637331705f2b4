/** From the API's bins to what the histogram draws. Bin i counts activations a with ceil(a / width) = i. */

export type Bin = { index: number; from: number; to: number; count: number };

/** All bins from the first possible one to the last that counts something, empty ones between them included. */
export function histogramBins(hist: Record<string, number>, binWidth: number): Bin[] {
  const last = Math.max(0, ...Object.keys(hist).map(Number));
  return Array.from({ length: last }, (_, position) => {
    const index = position + 1;
    return { index, from: edge(position, binWidth), to: edge(index, binWidth), count: hist[String(index)] ?? 0 };
  });
}

// 3 * 0.2 is 0.6000000000000001 in binary; edges are shown, so they are rounded to what they mean.
function edge(index: number, binWidth: number): number {
  return Number((index * binWidth).toPrecision(12));
}

/** The bin in which the median activation is; null where there is none. */
export function medianBin(hist: Record<string, number>, binWidth: number): Bin | null {
  const bins = histogramBins(hist, binWidth);
  let left = bins.reduce((sum, bin) => sum + bin.count, 0) / 2;
  return bins.find(({ count }) => (left -= count) <= 0 && count > 0) ?? null;
}

/** Labels for a log axis of counts up to `maximum`: powers of ten, below 1,000 also their double and fivefold. */
export function countTicks(maximum: number): number[] {
  const steps = maximum < 1000 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let power = 1; power <= maximum; power *= 10) {
    ticks.push(...steps.map((step) => step * power).filter((tick) => tick <= maximum));
  }
  return ticks;
}
