/** What the API sends and takes, as TypeScript types. Talks to nobody. */

export type RunStatus =
  "queued" | "running" | "interrupted" | "cancelled" | "failed" | "complete" | "completed_with_errors";

export type OptionValue = string | number | boolean | null;

/** A run; what isn't known yet is null, or 0 where it is a count. */
export type Run = {
  id: string;
  status: RunStatus;
  error: string | null;
  created_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  seconds: number | null;
  source: string | null;
  subject: string | null;
  autoencoder: string | null;
  layer_index: number | null;
  location: string | null;
  num_prompts: number | null;
  num_tokens: number | null;
  num_features: number | null;
  num_active_features: number | null;
  num_skipped_rows: number | null;
  /** Every option of `saescope run` with its value. */
  options: Record<string, OptionValue>;
  /** How many rows could not be used, by reason. */
  skipped_rows: Record<string, number>;
  failed_chunks: FailedChunk[];
  /** Null for a run that nobody works on. */
  progress: Progress | null;
  can: { cancel: boolean; resume: boolean; delete: boolean };
};

export type FailedChunk = { chunk: number; first_row: number; last_row: number; num_rows: number; error: string };

export type Progress = {
  /** Rows done. */
  num_records: number;
  /** Rows of the source, an estimate until `total_is_exact`; null if nothing is known yet. */
  total_records: number | null;
  total_is_exact: boolean;
  num_tokens: number;
  tokens_per_s: number | null;
  workers: number | null;
  seconds_left: number | null;
  num_failed_chunks: number;
  /** A sentence when the services have trouble. */
  problem: string | null;
};

/** One thing that can be chosen for a run. */
export type Option = {
  default: OptionValue;
  description: string;
  type: string;
  choices?: string[];
  minimum?: number;
};

export type Options = {
  options: Record<string, Option>;
  /** Whether there are services behind the API that compute runs. */
  can_start: boolean;
  /** Paths below the data folder. */
  data_files: string[];
  needs_token?: boolean;
};

export type RankedFeature = { feature_id: number; value: number; metrics: Record<string, number> };

/** What an answer about an unfinished run has besides. */
type Live = {
  live?: boolean;
  /** Rows that the answer is about. */
  num_records?: number;
};

export type Ranking = Live & {
  run: string;
  features: RankedFeature[];
  metric: string;
  metrics_available: string[];
  metric_descriptions: Record<string, string>;
  /** Latents of the autoencoder. */
  num_features: number;
  /** Features that fired at least once; the whole ranking is this long. */
  num_active_features: number;
  num_tokens: number;
  offset: number;
  limit: number;
};

/** One text shown for a feature; `acts`, `tokens` and `token_ints` have one entry per token of the window. */
export type Sequence = {
  density: number;
  doc_id: number;
  row_id: number;
  /** The window's first token, counted from the start of its row. */
  offset: number;
  /** The token that put this text on the list; `act` is `acts[idx]`. */
  idx: number;
  act: number;
  acts: number[];
  tokens: string[];
  token_ints: number[];
  /** How often this very text occurred; top examples only, null while the run is going. */
  count?: number | null;
};

export type FeatureInfo = Live & {
  run: string;
  feature_id: number;
  density: number;
  mean_act: number;
  mean_act_squared: number;
  max_act: number;
  skew: number;
  kurtosis: number;
  num_active_tokens: number;
  num_tokens: number;
  metrics: Record<string, number>;
  bin_width: number;
  hist: Record<string, number>;
  top: Sequence[];
  random: Sequence[];
};
