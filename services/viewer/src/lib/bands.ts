/**
 * Bands of strength: a feature's activations in a few ranges, each counted exactly.
 *
 * Edges are edges of the histogram's bins, as only those can be counted. A band ends where the activation doubles, as
 * in the API's own bands, but for two changes that make a page readable: the weakest are one band where there would be
 * more than six, and the fullest band is halved where it would hold nearly everything.
 */

import type { FeatureInfo } from "../apiTypes";
import { type Bin, histogramBins } from "./histogram";

export type Band = {
  /** From 0, the weakest band's. */
  index: number;
  /** Activations are larger than this, */
  above: number;
  /** and at most this: the strongest band ends with the feature's maximum. */
  upTo: number;
  /** How many tokens have such an activation. */
  count: number;
  /** Of all the feature's activations. */
  share: number;
  /** How full the band's colour is, 0 to 1. */
  heat: number;
};

const MOST_OCTAVES = 6;
const MOST_BANDS = 7;
const CROWDED = 0.5; // a larger share of all activations is halved,
const THIN = 0.1; // unless a half would have less than this
const WEAKEST_HEAT = 0.16; // can be told from the ground in light and dark

type Range = { bins: Bin[]; count: number };

/** The bands that have activations, the weakest first. */
export function bandsOf(info: Pick<FeatureInfo, "hist" | "bin_width" | "max_act">): Band[] {
  const bins = histogramBins(info.hist, info.bin_width);
  const total = bins.reduce((sum, bin) => sum + bin.count, 0);
  const filled = octaves(bins).filter(({ count }) => count > 0);
  const weakest = Math.max(1, filled.length - MOST_OCTAVES + 1);
  const ranges = [joined(filled.slice(0, weakest)), ...filled.slice(weakest)];
  while (ranges.length < MOST_BANDS) {
    const place = ranges.findIndex(({ bins: own, count }) => count > CROWDED * total && own.length >= 4);
    const crowded = ranges[place];
    if (crowded === undefined) break;
    const halves = halved(crowded);
    if (halves.some(({ count }) => count < THIN * total)) break;
    ranges.splice(place, 1, ...halves);
  }
  return ranges.map(({ bins: own, count }, index) => ({
    index,
    above: own[0]?.from ?? 0,
    upTo: Math.min(own.at(-1)?.to ?? 0, info.max_act),
    count,
    share: count / total,
    heat: ranges.length === 1 ? 1 : WEAKEST_HEAT + ((1 - WEAKEST_HEAT) * index) / (ranges.length - 1),
  }));
}

/** Ranges of bins, each beginning where the one before ends and ending at twice that: bin 1, bin 2, bins 3 and 4, … */
function octaves(bins: Bin[]): Range[] {
  const ranges: Range[] = [];
  for (let first = 1, last = 1; first <= bins.length; first = last + 1, last *= 2) {
    ranges.push(range(bins.slice(first - 1, last)));
  }
  return ranges;
}

function halved({ bins }: Range): Range[] {
  const half = Math.floor(bins.length / 2);
  return [range(bins.slice(0, half)), range(bins.slice(half))];
}

function joined(ranges: Range[]): Range {
  return range(ranges.flatMap(({ bins }) => bins));
}

function range(bins: Bin[]): Range {
  return { bins, count: bins.reduce((sum, bin) => sum + bin.count, 0) };
}

const LINES = 30; // of all bands together
const MOST_LINES = 9; // of a band

/** How many of the examples that each band has are shown at first: as even as possible, with no line left unused. */
export function linesPerBand(available: readonly number[]): number[] {
  const lines = available.map(() => 0);
  for (let left = LINES; left > 0; left -= 1) {
    const open = lines.flatMap((shown, place) => (shown < Math.min(available[place] ?? 0, MOST_LINES) ? [shown] : []));
    const place = lines.findLastIndex(
      (shown, band) => shown === Math.min(...open) && shown < Math.min(available[band] ?? 0, MOST_LINES),
    );
    if (place < 0) break;
    lines[place] = (lines[place] ?? 0) + 1;
  }
  return lines;
}

/** The band of an activation; one that rounding puts beside all bands belongs to the nearest. */
export function bandAt(bands: readonly Band[], activation: number): Band | undefined {
  if (activation <= 0) return undefined;
  return bands.find(({ upTo }) => activation <= upTo) ?? bands.at(-1);
}

/** How full a token's colour is: its band's, or none where the feature doesn't fire. */
export function heatByBand(bands: readonly Band[]): (activation: number) => number {
  return (activation) => bandAt(bands, activation)?.heat ?? 0;
}
