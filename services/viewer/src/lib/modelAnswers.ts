/**
 * What a run's models answer, as it comes over the wire: the parts of an answer, and what is in them. The same as
 * answer_types.py, which the API's description has only as JSON.
 */

import type { TokenChip } from "../apiTypes";

/** Whether this API can ask a run's models. */
export type ModelsState = { can_ask: boolean; why_not: string | null };

/** A part of an answer: one of these. */
export type Part = {
  progress?: PartProgress;
  piece?: unknown;
  result?: unknown;
  problem?: { status: number; error: string };
};

/** How far an answer is; of 0: that isn't known. */
export type PartProgress = { done: number; of: number; what: string };

/** Where a feature fires in a text, and what the run knows of it. */
export type EncodedFeature = {
  feature_id: number;
  /** The tokens at which it fires, ascending, -1 for the marker before them, and how strongly. */
  at: number[];
  values: number[];
  largest: number;
  largest_at: number;
  /** Of the run. */
  max_activation: number;
  density: number;
  tokens: TokenChip[];
  /** The share of its activations in the run that are smaller than its largest here; null if it has none. */
  stronger_than: number | null;
};

/** A text's tokens, or a stretch of a row's, and all features that fire there, the strongest first. */
export type Encoded = {
  run: string;
  row_id: number | null;
  tokens: string[];
  token_ints: number[];
  /** The first of these tokens, counted in the whole text. */
  first: number;
  num_tokens: number;
  windows: number[];
  features: EncodedFeature[];
};

export type PushedTokens = { token_ids: number[]; tokens: string[]; by: number[] };

export type PredictionEffects = {
  up_logits: PushedTokens;
  down_logits: PushedTokens;
  up_probs: PushedTokens;
  down_probs: PushedTokens;
};

/** What an activation does to the predictions from its token on: entry t is about that of token t + 1. */
export type ExampleEffects = {
  row_id: number;
  offset: number;
  idx: number;
  act: number;
  loss_change: number[];
  kl: number[];
  direct_loss_change: number[];
  /** From the boxed token on: entry 0 is entry idx of the others. */
  pushed: PredictionEffects[];
};

export type FeatureEffects = { feature_id: number; examples: ExampleEffects[] };

export type SteerQuestion = {
  feature_id: number;
  prompt: string;
  mode: "set" | "add";
  strength: number;
  num_tokens: number;
  temperature: number;
  seed: number;
};

export type GeneratedToken = { steered: boolean; token_id: number; token: string; log_prob: number };

export type GeneratedText = {
  text: string;
  token_ids: number[];
  tokens: string[];
  log_probs: number[];
  unsteered_log_probs: number[];
  unsteered_perplexity: number | null;
};

export type SteeredTexts = { feature_id: number; prompt: string; steered: GeneratedText; plain: GeneratedText };

/** A token of a pattern, read from the token that the feature fires on backwards. */
export type GraphNode = {
  /** Null: any token. */
  token: string | null;
  token_id: number | null;
  is_start?: boolean;
  activation?: number;
  before: GraphNode[];
};

export type GraphScores = {
  num_examples: number;
  num_rows: number;
  num_tokens: number;
  recall: number | null;
  precision: number | null;
  explained: number | null;
};

export type FeatureGraph = { feature_id: number; num_sources: number; roots: GraphNode[]; scores: GraphScores };
