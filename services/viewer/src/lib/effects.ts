/** What a feature's activation does to later predictions, in the texts that are shown. Knows nothing of how that is drawn. */

import type { ExampleEffects, FeatureInfo, PredictionEffects, Sequence } from "../apiTypes";

/** Which of the numbers colours the tokens. */
export type EffectKind = "loss" | "direct" | "kl";

/** An example with its effects. */
export type EffectText = { text: Sequence; effects: ExampleEffects };

/** How a token is predicted with the activation and without. */
export type TokenEffect = {
  /** By how many nats it is predicted worse without the activation; the same of the direct effect; and KL. */
  loss: number;
  direct: number;
  kl: number;
  pushed: PredictionEffects | null;
};

const LEAST_SCALE = 0.1; // nats; weaker effects stay pale, however weak all are

/** The effects with the texts that they are of, in the order of the effects; those of texts that aren't shown are left out. */
export function effectTexts(info: FeatureInfo, effects: readonly ExampleEffects[]): EffectText[] {
  const windows = [...info.top, ...(info.bands ?? []).flatMap(({ examples }) => examples), ...info.random];
  const byPlace = new Map(windows.map((text) => [placeOf(text), text]));
  return effects.flatMap((one) => {
    const text = byPlace.get(placeOf(one));
    return text === undefined ? [] : [{ text, effects: one }];
  });
}

function placeOf({ row_id: row, offset, idx }: { row_id: number; offset: number; idx: number }): string {
  return `${row} ${offset} ${idx}`;
}

/** What is known of how a token of the window is predicted, which happens at the token before it; null: nothing. */
export function effectOn(effects: ExampleEffects, token: number): TokenEffect | null {
  const at = token - 1;
  if (at < effects.idx) return null;
  const loss = effects.loss_change[at];
  if (loss === undefined) return null;
  return {
    loss,
    direct: effects.direct_loss_change[at] ?? 0,
    kl: effects.kl[at] ?? 0,
    pushed: effects.pushed[at - effects.idx] ?? null,
  };
}

/** The size of effect that has the full colour: nearly the largest of all, as one outlier shouldn't make the others pale. */
export function scaleOf(texts: readonly EffectText[], kind: EffectKind): number {
  const sizes = texts
    .flatMap(({ text, effects }) => text.tokens.map((_, token) => Math.abs(effectOn(effects, token)?.[kind] ?? 0)))
    .filter((size) => size > 0)
    .sort((a, b) => a - b);
  return Math.max(LEAST_SCALE, sizes[Math.floor(sizes.length * 0.98)] ?? 0);
}

/** "the next token, “ up”, is predicted worse without it, by 0.42 nats". */
export function describeEffect({ loss }: Pick<TokenEffect, "loss">): string {
  const size = Math.abs(loss);
  if (size < 0.0005) return "predicted the same without it";
  return `predicted ${loss > 0 ? "worse" : "better"} without it, by ${formatNats(size)}`;
}

/** "0.42 nats", "0.003 nats". */
export function formatNats(size: number): string {
  return `${size.toFixed(size < 0.01 ? 4 : size < 0.1 ? 3 : 2)} nats`;
}

/** What the whole window says in a line: the effects that are largest, read out before the text. */
export function summary({ text, effects }: EffectText, most = 4): string {
  const found = text.tokens
    .map((token, index) => ({ token, effect: effectOn(effects, index) }))
    .flatMap(({ token, effect }) => (effect === null ? [] : [{ token, loss: effect.loss }]))
    .filter(({ loss }) => Math.abs(loss) >= 0.01)
    .sort((a, b) => Math.abs(b.loss) - Math.abs(a.loss))
    .slice(0, most)
    .map(({ token, loss }) => `“${token.trim()}” ${describeEffect({ loss })}`);
  const start = `Row ${text.row_id}, ablated at “${(text.tokens[text.idx] ?? "").trim()}”`;
  return found.length === 0 ? `${start}: nothing changes much` : `${start}: ${found.join("; ")}`;
}
