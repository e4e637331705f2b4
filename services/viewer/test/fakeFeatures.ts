/** The fake API's features: some made-up ones, and lists of them that are sorted and filtered as the API does it. */

import type { FeatureInfo, FeatureRank, RankedFeature, Ranking, Sequence } from "../src/apiTypes";

export const NUM_FEATURES = 512;
export const NUM_TOKENS = 34_567;
const NUM_FIRED = 120;

/**
 * 120 features fired, 120 − id times each; by `alpha` their order is 0, 1, 2 …, by `beta` it is the reverse.
 * Every tenth has examples on " upgrade".
 */
const FEATURES: RankedFeature[] = Array.from({ length: NUM_FEATURES }, (_, id) => {
  const fired = id < NUM_FIRED;
  return {
    feature_id: id,
    value: 0,
    num_active_tokens: fired ? NUM_FIRED - id : 0,
    metrics: { alpha: fired ? (NUM_FIRED - id) / 8 : 0, beta: fired ? id / 4 : 0 },
    tokens: fired ? [{ token_id: id, token: id % 10 === 0 ? " upgrade" : ` word${id}` }] : [],
    hist: fired ? { "1": 30, "3": NUM_FIRED - id } : {},
  };
});

export const TOP_TEXT: Sequence = {
  density: 0.25,
  doc_id: 0,
  row_id: 77,
  offset: 0,
  first_counted: 1,
  idx: 2,
  act: 3.0625,
  acts: [0, 0.5, 3.0625, 0],
  tokens: ["<|endoftext|>", "Profit", " <b>rises</b>", "\n"],
  token_ints: [50256, 37380, 16736, 198],
  prompt: "Profit <b>rises</b>\n",
  prompt_tokens: ["<|endoftext|>", "Profit", " <b>rises</b>", "\n"],
  prompt_snippet: "Profit <b>rises</b>\n",
  count: 4,
};

type Live = { live?: boolean; num_records?: number };

/** All features that the query is about, in its order. */
function matching(query: URLSearchParams): RankedFeature[] {
  const metric = query.get("metric") ?? "alpha";
  const sort = query.get("sort") ?? metric;
  const key = (one: RankedFeature) =>
    sort === "feature_id" || sort === "num_active_tokens" ? one[sort] : (one.metrics[sort] ?? 0);
  const sign = query.get("order") === "asc" ? 1 : -1;
  const atLeast = (name: string, value: number) => value >= Number(query.get(name) ?? 0);
  const token = query.get("token")?.toLowerCase() ?? "";
  return FEATURES.map((one) => ({ ...one, value: one.metrics[metric] ?? 0 }))
    .filter(({ num_active_tokens: count }) => (query.has("dead") ? count === 0 : count > 0))
    .filter(({ num_active_tokens: count }) => atLeast("min_count", count) && atLeast("min_density", count / NUM_TOKENS))
    .filter(({ num_active_tokens: count }) => count / NUM_TOKENS <= Number(query.get("max_density") ?? 1))
    .filter(({ tokens = [] }) => token === "" || tokens.some((chip) => chip.token.includes(token)))
    .sort((a, b) => sign * (key(a) - key(b)));
}

/** What /api/features answers. */
export function listFeatures(query: URLSearchParams, run: string, live: Live): Ranking {
  const all = matching(query);
  const metric = query.get("metric") ?? "alpha";
  const offset = Number(query.get("offset"));
  const limit = Number(query.get("limit"));
  const features = all.slice(offset, offset + limit);
  return {
    run,
    ...live,
    features: query.has("details")
      ? features
      : features.map(({ feature_id, value, num_active_tokens, metrics }) => ({
          feature_id,
          value,
          num_active_tokens,
          metrics,
        })),
    metric,
    sort: query.get("sort") ?? metric,
    order: query.get("order") === "asc" ? "asc" : "desc",
    metrics_available: ["alpha", "beta"],
    sorts_available: ["alpha", "beta", "feature_id", "num_active_tokens"],
    metric_descriptions: { alpha: "The first letter.", beta: "The second letter." },
    num_features: NUM_FEATURES,
    num_active_features: NUM_FIRED,
    num_matching: all.length,
    num_tokens: NUM_TOKENS,
    bin_width: 0.2,
    offset,
    limit,
  };
}

/** What /api/feature_rank answers. */
export function rankFeature(query: URLSearchParams, run: string, live: Live): FeatureRank {
  const ids = matching(query).map((one) => one.feature_id);
  const id = Number(query.get("id"));
  const rank = ids.indexOf(id);
  const place =
    rank < 0
      ? { rank: null, previous: null, next: null }
      : { rank, previous: ids[rank - 1] ?? null, next: ids[rank + 1] ?? null };
  return { run, ...live, feature_id: id, ...place, num_matching: ids.length };
}

/** What /api/feature_info answers. */
export function describeFeature(id: number, run: string, live: Live): FeatureInfo {
  const fired = id < NUM_FIRED;
  const moments = fired
    ? { density: 0.25, mean_act: 0.5, mean_act_squared: 0.75, max_act: 3.0625, skew: 2.5, kurtosis: 9.5 }
    : { density: 0, mean_act: 0, mean_act_squared: 0, max_act: 0, skew: 0, kurtosis: 0 };
  const texts = Array.from({ length: fired ? 8 : 0 }, (_, row) => ({
    ...TOP_TEXT,
    row_id: 77 + row,
    count: live.live === true ? null : 4,
  }));
  return {
    run,
    ...live,
    feature_id: id,
    ...moments,
    num_active_tokens: fired ? 42 : 0,
    num_tokens: NUM_TOKENS,
    metrics: FEATURES[id]?.metrics ?? { alpha: 0, beta: 0 },
    bin_width: 0.2,
    hist: fired ? { "1": 30, "3": 11, "16": 1 } : {},
    top: texts,
    random: texts.map((text) => ({ ...text, idx: 1, act: 0.5 })),
    logit_effects: null,
    neighbours: null,
  };
}
