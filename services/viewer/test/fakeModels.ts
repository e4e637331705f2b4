/** The fake API's models: what a text's features are, and answers that come in parts. */

import type { ServerResponse } from "node:http";

import type { Encoded, FeatureEffects, FeatureGraph, GeneratedText } from "../src/apiTypes";
import type { Part } from "../src/modelApi";
import { TOP_TEXT } from "./fakeFeatures";

/** Words are tokens; feature 3 fires on “up”, feature 12 at every token, and on the marker. */
export function encode(text: string, run: string, rowId: number | null, first: number): Encoded {
  const tokens = text.split(/(?= )/);
  const ups = tokens.flatMap((token, index) => (token.trim() === "up" ? [index] : []));
  const every = tokens.map((_, index) => index);
  const feature = (id: number, at: number[], values: number[], strongerThan: number | null) => {
    const largest = Math.max(...values);
    return {
      feature_id: id,
      at,
      values,
      largest,
      largest_at: at[values.indexOf(largest)] ?? 0,
      max_activation: 4,
      density: id / 100,
      tokens: [{ token_id: id, token: ` word${id}` }],
      stronger_than: strongerThan,
    };
  };
  const features = [
    ...(ups.length > 0
      ? [
          feature(
            3,
            ups,
            ups.map((_, place) => 3 - place),
            0.997,
          ),
        ]
      : []),
    feature(12, [-1, ...every], [0.25, ...every.map((index) => 0.5 + index / 100)], 1),
  ];
  return {
    run,
    row_id: rowId,
    tokens,
    token_ints: tokens.map((_, index) => 100 + index),
    first,
    num_tokens: first + tokens.length,
    windows: [0],
    features,
  };
}

const PUSHED = { token_ids: [5, 6], tokens: [" high", " low"], by: [1.25, 0.5] };

/** Of the first text of each feature: its last token is predicted worse without the activation. */
export const EFFECTS: FeatureEffects = {
  feature_id: 3,
  examples: [
    {
      row_id: TOP_TEXT.row_id,
      offset: 0,
      idx: 2,
      act: 3.0625,
      loss_change: [0, 0, 0.42],
      kl: [0, 0, 0.031],
      direct_loss_change: [0, 0, -0.07],
      pushed: [
        {
          up_logits: PUSHED,
          down_logits: { token_ids: [7], tokens: [" down"], by: [-2] },
          up_probs: { ...PUSHED, by: [0.125, 0.0625] },
          down_probs: { token_ids: [7], tokens: [" down"], by: [-0.25] },
        },
      ],
    },
  ],
};

const generated = (tokens: string[], perplexity: number): GeneratedText => ({
  text: tokens.join(""),
  token_ids: tokens.map((token) => token.length * 100 + token.charCodeAt(1)),
  tokens,
  log_probs: tokens.map(() => -0.5),
  unsteered_log_probs: tokens.map(() => -2),
  unsteered_perplexity: perplexity,
});
const STEERED = { steered: generated([" up", " <b>"], 80), plain: generated([" and", " on"], 10) };

export const GRAPH: FeatureGraph = {
  feature_id: 3,
  num_sources: 20,
  explanation: {},
  roots: [
    {
      token: " rises",
      token_id: 1,
      activation: 1.5,
      before: [
        { token: null, token_id: null, before: [{ token: " share", token_id: 2, activation: 3, before: [] }] },
        { token: null, token_id: null, is_start: true, activation: 2, before: [] },
      ],
    },
  ],
  scores: { num_examples: 40, num_rows: 50, num_tokens: 3100, recall: 0.62, precision: 0.48, explained: 0.4 },
};

/** The parts of each answer, as the API sends them. */
export const PARTS: Record<string, Part[]> = {
  "/api/effects": [
    { progress: { done: 0, of: 1, what: "looking at examples" } },
    { piece: EFFECTS.examples[0] },
    { result: EFFECTS },
  ],
  "/api/steer": [
    { piece: { steered: false, token_id: 200, token: " and", log_prob: -0.5 } },
    { piece: { steered: true, token_id: 200, token: " up", log_prob: -0.5 } },
    { result: { feature_id: 3, prompt: "Profit", ...STEERED } },
  ],
  "/api/graph": [{ progress: { done: 1, of: 20, what: "shortening examples" } }, { result: GRAPH }],
};

/** Send parts as lines; an answer that doesn't end stays open, until the asker goes. */
export function sendParts(response: ServerResponse, parts: readonly Part[], ends = true): void {
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  for (const part of parts) response.write(`${JSON.stringify(part)}\n`);
  if (ends) response.end();
}
