/** A histogram small enough for a table's row. Knows nothing of where it is drawn. */

/**
 * The heights, 0 to 1, of at most `most` bars over a feature's activations from 0 to its maximum.
 *
 * Bars of one histogram have the same number of bins (the last one may have fewer); heights are in log counts.
 */
export function sparkline(hist: Record<string, number>, most: number): number[] {
  const bins = Object.entries(hist).map(([bin, count]) => ({ position: Number(bin) - 1, count }));
  const length = Math.max(0, ...bins.map(({ position }) => position + 1));
  const binsPerBar = Math.max(1, Math.ceil(length / most));
  const counts = Array<number>(Math.ceil(length / binsPerBar)).fill(0);
  for (const { position, count } of bins) {
    const bar = Math.floor(position / binsPerBar);
    counts[bar] = (counts[bar] ?? 0) + count;
  }
  const tallest = Math.log1p(Math.max(0, ...counts));
  return counts.map((count) => (tallest === 0 ? 0 : Math.log1p(count) / tallest));
}
