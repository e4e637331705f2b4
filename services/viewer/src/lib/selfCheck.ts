/** The self-check's verdict and figures as a person reads them. Knows nothing of pages. */

import type { Run } from "../apiTypes";
import { formatCount, formatShare } from "./format";

export type CheckFigure = { name: string; value: string; meaning: string };
export type ReadCheck = { verdict: string; meaning: string; reasons: string[]; figures: CheckFigure[] };

const MEANINGS: Record<string, string> = {
  fits: "The autoencoder belongs to this place of this model, as far as the checks can tell.",
  doubtful: "Something speaks against it: read the reasons before you believe the features.",
  "no reference": "Nothing speaks against it, but nothing is known that this run could be compared with.",
};

type Row = [key: string, name: string, meaning: string, format: (value: number) => string];
const decimals = (digits: number) => (value: number) => value.toFixed(digits);

const FIGURES: Row[] = [
  ["fvu", "FVU", "share of the variance that the reconstruction misses; 0 is perfect", decimals(4)],
  ["cosine", "cosine", "mean cosine of a vector and its reconstruction; 1 is perfect", decimals(3)],
  ["mean_l0", "L0", "features that fire on a token, on average", decimals(1)],
  ["l2_ratio", "length ratio", "length of the reconstruction by that of the vector; 1 is right", decimals(3)],
  ["delta_cross_entropy", "ΔCE", "nats a token that predictions lose with reconstructions", decimals(3)],
  ["cross_entropy_recovered", "CE recovered", "of what the model loses without its vectors", formatShare],
  ["never_fired", "never fired", "features", formatCount],
  ["dense", "dense", "features that fire on more than a tenth of the tokens", formatCount],
  ["high_norm_share", "high-norm tokens", "tokens whose vector is over ten times as long as the median", formatShare],
  ["left_out_tokens", "left out", "tokens whose numbers are not finite", formatCount],
];

/** What a run's self-check says; null where there is none. */
export function readSelfCheck(check: Run["self_check"]): ReadCheck | null {
  if (check === null) return null;
  const verdict = typeof check["verdict"] === "string" ? check["verdict"] : "unknown";
  const reasons = Array.isArray(check["reasons"]) ? check["reasons"].map(String) : [];
  const figures = FIGURES.flatMap(([key, name, meaning, format]) => {
    const value: unknown = check[key];
    return typeof value === "number" && Number.isFinite(value) ? [{ name, meaning, value: format(value) }] : [];
  });
  return { verdict, meaning: MEANINGS[verdict] ?? "", reasons, figures };
}
