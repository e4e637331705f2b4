/** From values to places on an axis, and the values that are named there. Knows nothing of how axes are drawn. */

type Range = readonly [from: number, to: number];
type Scale = (value: number) => number;

/** Equal differences of values are equally far apart; all of an empty range are in the middle. */
export function linearScale([first, last]: Range, [from, to]: Range): Scale {
  const width = last - first;
  return (value) => (width === 0 ? (from + to) / 2 : from + ((value - first) / width) * (to - from));
}

/** Equal ratios of values, which are positive, are equally far apart. */
export function logScale([first, last]: Range, range: Range): Scale {
  const scale = linearScale([Math.log(first), Math.log(last)], range);
  return (value) => scale(Math.log(value));
}

/** About so many values from 0 to the last, at multiples of 1, 2 or 5 times a power of ten. */
export function ticksUpTo(last: number, count: number): number[] {
  if (!(last > 0)) return [0];
  const wanted = last / count;
  const power = 10 ** Math.floor(Math.log10(wanted));
  // the step whose ratio to the wanted one is nearest to 1
  const step =
    power *
    (wanted / power >= Math.sqrt(50) ? 10 : wanted / power >= Math.sqrt(10) ? 5 : wanted / power >= Math.SQRT2 ? 2 : 1);
  const number = Math.floor(last / step + 1e-9);
  return Array.from({ length: number + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}
