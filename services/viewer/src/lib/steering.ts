/** Two texts, one with a feature turned up or down: while they come, and what they say at the end. Knows no page. */

import type { FeatureInfo, GeneratedText, GeneratedToken, SteeredTexts } from "../apiTypes";

/** A token with how likely it was when it was generated, and how likely it is without steering; null: not known yet. */
export type TokenInText = { token: string; logProb: number; unsteered: number | null };

/** Where the slider ends, as multiples of the feature's largest activation. */
const LEAST = -2;
const MOST = 4;
const STEPS = 200;

/** The slider's range, in units of the feature's activation, and its step. */
export function strengthRange({ max_act: max }: Pick<FeatureInfo, "max_act">): {
  min: number;
  max: number;
  step: number;
} {
  const step = Number((((MOST - LEAST) * max) / STEPS).toPrecision(1));
  return { min: onStep(LEAST * max, step), max: onStep(MOST * max, step), step };
}

/** The nearest multiple of a step, as it is written: 137 * 0.09 isn't 12.33 in binary. */
export function onStep(value: number, step: number): number {
  return Number((Math.round(value / step) * step).toPrecision(6));
}

/** The tokens of one of the texts: as they came, or as they are at the end. */
export function tokensOf(
  isSteered: boolean,
  pieces: readonly GeneratedToken[],
  result: SteeredTexts | null,
): TokenInText[] {
  const text = result === null ? null : isSteered ? result.steered : result.plain;
  if (text === null) {
    return pieces
      .filter(({ steered }) => steered === isSteered)
      .map(({ token, log_prob }) => ({ token, logProb: log_prob, unsteered: null }));
  }
  return text.tokens.map((token, index) => ({
    token,
    logProb: text.log_probs[index] ?? 0,
    unsteered: text.unsteered_log_probs[index] ?? null,
  }));
}

const SURPRISING = 8; // nats; a token that unlikely has the full shade

/** How grey a token is, 0 to 1: the less likely, the greyer. */
export function surprise(logProb: number): number {
  return Math.min(1, Math.max(0, -logProb / SURPRISING));
}

/** "the unsteered model finds the steered text 8 times as surprising as its own"; null without tokens in both. */
export function comparePerplexities({ steered, plain }: SteeredTexts): string | null {
  const [own, other] = [plain.unsteered_perplexity, steered.unsteered_perplexity];
  if (own === null || other === null || own <= 0) return null;
  const ratio = other / own;
  const numbers = `perplexity ${formatPerplexity(other)} against ${formatPerplexity(own)}`;
  if (isSame(steered, plain)) return "Both texts are the same.";
  if (ratio > 0.95 && ratio < 1.05) {
    return `The unsteered model finds the steered text as surprising as its own (${numbers}).`;
  }
  return `The unsteered model finds the steered text ${formatTimes(ratio)} as surprising as its own (${numbers}).`;
}

function isSame(one: GeneratedText, other: GeneratedText): boolean {
  return one.token_ids.join() === other.token_ids.join();
}

function formatTimes(ratio: number): string {
  if (ratio >= 10) return `${ratio < 1000 ? Math.round(ratio) : ratio.toExponential(0).replace("e+", "e")} times`;
  return `${Number(ratio.toFixed(ratio < 1 ? 2 : 1))} times`;
}

function formatPerplexity(value: number): string {
  return value < 100
    ? value.toFixed(1)
    : value < 1e5
      ? String(Math.round(value))
      : value.toExponential(1).replace("e+", "e");
}
