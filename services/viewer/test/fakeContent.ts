/** The fake API's rows, and its comparisons of runs: some made-up ones, listed as the API does it. */

import type {
  ComparedFeature,
  Comparison,
  FoundFeatures,
  Prompt,
  PromptInfo,
  PromptList,
  RowFeature,
  TextParts,
} from "../src/apiTypes";
import { NUM_FEATURES, NUM_TOKENS } from "./fakeFeatures";

const NUM_ROWS = 120;
const ROWS_PER_SEARCH = 45; // that one answer to a search has looked at
const MISSING = new Set([60, 61, 62]); // of a failed chunk
export const SKIPPED_ROW = 5;
export const LONG_ROW = 7;
export const LONG_ROW_TOKENS = 2500;

type Live = { live?: boolean; num_records?: number };

const IDS = Array.from({ length: NUM_ROWS }, (_, id) => id).filter((id) => !MISSING.has(id));
const FIRED: RowFeature[] = [
  { feature_id: 3, activation: 4.5, max_activation: 9, token: 1, token_str: " <b>rises</b>" },
  { feature_id: 9, activation: 2.25, max_activation: 9, token: 1, token_str: " <b>rises</b>" },
  { feature_id: 4, activation: 1.125, max_activation: 9, token: 0, token_str: "Profit" },
];

function tokensOf(id: number): string[] {
  if (id === LONG_ROW) return Array.from({ length: LONG_ROW_TOKENS }, (_, token) => ` t${token}`);
  return ["Profit", " <b>rises</b>", "\n", ` number${id}`];
}

function promptOf(id: number): Prompt {
  const isSkipped = id === SKIPPED_ROW;
  return {
    row_id: id,
    text: isSkipped ? null : tokensOf(id).join("").slice(0, 1000),
    is_cut: id === LONG_ROW,
    skipped: isSkipped ? "no text" : null,
    features: isSkipped ? [] : FIRED,
    columns: {},
  };
}

/** What /api/prompts answers. */
export function listPrompts(query: URLSearchParams, run: string, live: Live): PromptList {
  const from = Number(query.get("from") ?? 0);
  const limit = Number(query.get("limit") ?? 50);
  const text = query.get("text");
  const later = IDS.filter((id) => id >= from);
  const looked = text === null ? later : later.slice(0, ROWS_PER_SEARCH);
  const wanted = (id: number) =>
    text === null || (id !== SKIPPED_ROW && tokensOf(id).join("").toLowerCase().includes(text.toLowerCase()));
  const found = looked.filter(wanted);
  const next = found[limit] ?? later[looked.length] ?? null;
  return { run, ...live, prompts: found.slice(0, limit).map(promptOf), next, limit, text };
}

/** What /api/prompts/{row_id} answers; null: there is no such row. */
export function describePrompt(id: number, run: string, live: Live): PromptInfo | null {
  const at = IDS.indexOf(id);
  if (at < 0) return null;
  const { text, skipped, features } = promptOf(id);
  const tokens = skipped === null ? tokensOf(id) : [];
  return {
    run,
    ...live,
    row_id: id,
    text,
    skipped,
    tokens,
    token_ints: tokens.map((_, token) => 1000 + token),
    windows: tokens.length > 63 ? tokens.flatMap((_, token) => (token % 63 === 0 ? [token] : [])) : [0],
    features: features.map((feature) => ({ ...feature, density: 0.01, tokens: [{ token_id: 1, token: " rises" }] })),
    keeps_firings: false,
    columns: {},
    previous: IDS[at - 1] ?? null,
    next: IDS[at + 1] ?? null,
  };
}

/** What /api/prompts/features answers, whatever is looked for. */
export function describeFound(run: string, live: Live): FoundFeatures {
  const feature = { hits: 10, num_rows: 40, surprise: 9, density: 0.01, tokens: [{ token_id: 1, token: " rises" }] };
  return {
    run,
    ...live,
    num_found: 11,
    num_searched: 116,
    next: null,
    features_per_row: 10,
    min_hits: 3,
    limit: 20,
    num_matching: 8,
    features: Array.from({ length: 8 }, (_, id) => ({ ...feature, feature_id: id, share: 10 / 11, lift: 14.2 - id })),
  };
}

/** What /api/prompts/parts answers: a part for each word, of which the first is nowhere. */
export function countParts(query: URLSearchParams, run: string, live: Live): TextParts {
  const text = query.get("text") ?? "";
  const parts = text.split(" ").map((word, position) => ({ text: word, num_rows: position * 5 }));
  return { run, ...live, text, num_searched: 116, next: null, parts };
}

/** 150 features: feature id has the ratio 3 − id/50 and an interval of 1 to either side. */
const COMPARED: ComparedFeature[] = Array.from({ length: 150 }, (_, id) => ({
  feature_id: id,
  a: { num_active_tokens: id, density: id / NUM_TOKENS, tokens: [{ token_id: 1, token: " in-a" }] },
  b: { num_active_tokens: 150, density: 150 / NUM_TOKENS, tokens: [{ token_id: 2, token: " in-b" }] },
  log_ratio: 3 - id / 50,
  low: 2 - id / 50,
  high: 4 - id / 50,
}));

/** What /api/compare answers. */
export function compareRuns(query: URLSearchParams, a: string, b: string): Comparison {
  const sort = (query.get("sort") ?? "certain") as Comparison["sort"];
  const order = query.get("order") === "asc" ? "asc" : "desc";
  const offset = Number(query.get("offset") ?? 0);
  const limit = Number(query.get("limit") ?? 50);
  const id = query.get("id");
  const all = COMPARED.filter(
    (one) =>
      (id === null || one.feature_id === Number(id)) &&
      one.a.num_active_tokens + one.b.num_active_tokens >= Number(query.get("min_count") ?? 0),
  );
  // every other order is that of the numbers, or the reverse
  const isByNumber = (sort === "density_a" || sort === "feature_id") === (order === "asc");
  const ordered = isByNumber ? all : all.toReversed();
  const run = { source: "headlines.csv", part: "all", num_tokens: NUM_TOKENS, num_active_features: 120 };
  return {
    a: { run: a, ...run },
    b: { run: b, ...run },
    unit: "text",
    confidence: 0.95,
    sort,
    order,
    offset,
    limit,
    num_features: NUM_FEATURES,
    num_matching: ordered.length,
    num_fired: COMPARED.length,
    num_only_a: 0,
    num_only_b: 0,
    num_tested: COMPARED.length,
    num_found: 40,
    num_found_denser_in_b: 30,
    features: ordered.slice(offset, offset + limit),
  };
}
