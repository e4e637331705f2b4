/** The one module that talks to the API: its addresses, its payloads' types, its errors. Caches nothing. */

export type RunStatus = "complete" | "running" | "interrupted" | "completed_with_errors" | "failed";

export type Run = {
  id: string;
  status: RunStatus;
  started_at: string;
  source: string;
  subject: string;
  autoencoder: string;
  layer_index: number;
  location: string;
  num_prompts: number;
  num_tokens: number;
  num_features: number;
  num_skipped_rows: number;
};

export type RankedFeature = { feature_id: number; value: number; metrics: Record<string, number> };

export type Ranking = {
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
  /** How often this very text occurred; top examples only. */
  count?: number;
};

export type FeatureInfo = {
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

export type RankingQuery = {
  run: string | null;
  metric: string | null;
  order: "asc" | "desc";
  offset: number;
  limit: number;
};

/** What the API or the network answered instead of data, as a sentence for the person at the screen. */
export class ApiError extends Error {
  /** The HTTP status, or null if there was no usable answer. */
  readonly status: number | null;

  constructor(sentence: string, status: number | null) {
    super(sentence);
    this.name = "ApiError";
    this.status = status;
  }
}

const UNREACHABLE = "The API doesn't answer. Start it with `saescope serve` (port 8765), then try again.";

/** All runs, newest first. */
export async function fetchRuns(signal?: AbortSignal): Promise<Run[]> {
  return (await get<{ runs: Run[] }>("/api/runs", {}, signal)).runs;
}

/** One stretch of a ranking; without a metric the API's first, without a run its newest. */
export function fetchRanking(query: RankingQuery, signal?: AbortSignal): Promise<Ranking> {
  return get<Ranking>("/api/features", query, signal);
}

/** Everything about one feature, with up to `topK` strongest and as many random examples. */
export function fetchFeature(
  featureId: number,
  run: string | null,
  topK: number,
  signal?: AbortSignal,
): Promise<FeatureInfo> {
  return get<FeatureInfo>("/api/feature_info", { id: featureId, top_k: topK, run }, signal);
}

async function get<Payload>(
  path: string,
  parameters: Record<string, string | number | null>,
  signal: AbortSignal | undefined,
): Promise<Payload> {
  const url = new URL(path, window.location.origin);
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null) url.searchParams.set(name, String(value));
  }
  let response: Response;
  try {
    response = await fetch(url, { headers: { accept: "application/json" }, signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ApiError(UNREACHABLE, null);
  }
  const body = await readJson(response);
  if (!response.ok) throw new ApiError(errorSentence(body, response.status), response.status);
  return body as Payload;
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    // a proxy or another server answered: 5xx from the development proxy means that nothing listens behind it
    if (response.status >= 500) throw new ApiError(UNREACHABLE, response.status);
    throw new ApiError(
      `${response.url} answered with something that isn't JSON; is another server on this port?`,
      null,
    );
  }
}

function errorSentence(body: unknown, status: number): string {
  if (typeof body === "object" && body !== null && "error" in body && typeof body.error === "string") return body.error;
  return `The API answered with status ${status} and no explanation.`;
}
