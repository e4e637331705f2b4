/** What can be asked of the API, and its event stream. Only this, modelApi.ts and apiRequests.ts talk to it; caches nothing. */

import type {
  Comparison,
  FeatureInfo,
  FeatureRank,
  FoundFeatures,
  ImportedLabels,
  Label,
  LabelChange,
  LabelList,
  Options,
  OptionValue,
  PromptInfo,
  PromptList,
  Provenance,
  Ranking,
  RowFirings,
  Run,
  TextParts,
} from "./apiTypes";
import { address, get, isNotFound, write, writeLines } from "./apiRequests";
import { absoluteUrl } from "./lib/basePath";
import type { ListQuery } from "./lib/ranking";

export { ApiError, isNotFound, isTemporary, isUnauthorised } from "./apiRequests";

/** A stretch of a dataset's rows, from the row with that id on. */
export type PromptsQuery = RowsWanted & { from: number; limit: number };

/** Which rows: those with all that is given. */
export type RowsWanted = {
  run: string | null;
  text: string | null;
  column: string | null;
  value: string | null;
  contains: string | null;
};

/** A stretch of a row's tokens, and how many of the features that fire there are described. */
export type FiringsQuery = {
  run: string | null;
  from: number;
  tokens: number;
  sort: "first" | "rarest";
  limit: number;
};

/** A stretch of the features of two runs, or one of them. */
export type ComparisonQuery = {
  a: string;
  b: string;
  part_a: string | null;
  part_b: string | null;
  show: string | null;
  sort: Comparison["sort"];
  order: Comparison["order"];
  min_count: number | null;
  offset: number;
  limit: number;
  id: number | null;
};

/** A stretch of a list; with details each feature has its tokens and its histogram. */
export type RankingQuery = ListQuery & { offset: number; limit: number; details: true | null };

const RECONNECT_MS = 5000;

/** All runs, newest first. */
export async function fetchRuns(signal?: AbortSignal): Promise<Run[]> {
  return (await get<{ runs: Run[] }>("/api/runs", {}, signal)).runs;
}

export function fetchRun(id: string, signal?: AbortSignal): Promise<Run> {
  return get<Run>(runPath(id), {}, signal);
}

export function fetchProvenance(id: string, signal?: AbortSignal): Promise<Provenance> {
  return get<Provenance>(`${runPath(id)}/provenance`, {}, signal);
}

/** What can be chosen for a run; null if this API knows nothing of starting runs. */
export async function fetchOptions(signal?: AbortSignal): Promise<Options | null> {
  try {
    return await get<Options>("/api/options", {}, signal);
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

/** One stretch of a ranking; without a metric the API's first, without a run its newest. */
export function fetchRanking(query: RankingQuery, signal?: AbortSignal): Promise<Ranking> {
  return get<Ranking>("/api/features", query, signal);
}

/** Where the same list can be had, as JSON or as a table. */
export function rankingUrl(query: ListQuery): URL {
  return address("/api/features", query);
}

/** Where a comparison can be had, as JSON or as a table. */
export function comparisonUrl(query: Omit<ComparisonQuery, "offset" | "limit">): URL {
  return address("/api/compare", query);
}

/** Where a feature stands in a list, and its neighbours there. */
export function fetchRank(featureId: number, query: ListQuery, signal?: AbortSignal): Promise<FeatureRank> {
  return get<FeatureRank>("/api/feature_rank", { id: featureId, ...query }, signal);
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

/** Where everything about one feature can be had as JSON. */
export function featureInfoUrl(featureId: number, run: string): string {
  return address("/api/feature_info", { id: featureId, run }).href;
}

/** Some rows; a search may end before it has found `limit`, and is gone on with from the answer's `next`. */
export function fetchPrompts(query: PromptsQuery, signal?: AbortSignal): Promise<PromptList> {
  return get<PromptList>("/api/prompts", query, signal);
}

/** One row with its tokens and its strongest features. */
export function fetchPrompt(rowId: number, run: string | null, signal?: AbortSignal): Promise<PromptInfo> {
  return get<PromptInfo>(`/api/prompts/${rowId}`, { run }, signal);
}

/** Which features fire at each of some of a row's tokens. */
export function fetchRowFirings(rowId: number, query: FiringsQuery, signal?: AbortSignal): Promise<RowFirings> {
  return get<RowFirings>(`/api/prompts/${rowId}/firings`, query, signal);
}

/** The features that the rows found have more often than others. */
export function fetchFoundFeatures(wanted: RowsWanted, signal?: AbortSignal): Promise<FoundFeatures> {
  return get<FoundFeatures>("/api/prompts/features", wanted, signal);
}

/** Shorter texts, and how many rows have each. */
export function fetchTextParts(text: string, run: string | null, signal?: AbortSignal): Promise<TextParts> {
  return get<TextParts>("/api/prompts/parts", { text, run }, signal);
}

/** Features of two runs by how differently they fire. */
export function fetchComparison(query: ComparisonQuery, signal?: AbortSignal): Promise<Comparison> {
  return get<Comparison>("/api/compare", query, signal);
}

/** All that is said of the features of a run's autoencoder. */
export function fetchLabels(run: string | null, signal?: AbortSignal): Promise<LabelList> {
  return get<LabelList>("/api/labels", { run }, signal);
}

/** Where all that is said of the features of a run's autoencoder can be had as JSON Lines. */
export function labelsExportUrl(run: string): string {
  return address("/api/labels/export", { run }).href;
}

/** Say something of a feature; the answer is all that is said then. An ApiError with a `label` if another was quicker. */
export function putLabel(featureId: number, run: string, change: Partial<LabelChange>): Promise<Label> {
  return write<Label>("PUT", `/api/labels/${featureId}`, change, { run });
}

/** Take over labels from lines of JSON, or with `dryRun` only say what would become of them. */
export function importLabels(run: string, lines: string, replace: boolean, dryRun: boolean): Promise<ImportedLabels> {
  return writeLines<ImportedLabels>("/api/labels/import", lines, {
    run,
    replace: replace || null,
    dry_run: dryRun || null,
  });
}

/** Start a run with the options that differ from their defaults; the answer is its id. */
export async function startRun(options: Record<string, OptionValue>): Promise<string> {
  return (await write<{ id: string }>("POST", "/api/runs", options)).id;
}

/** Cancel a run, let it go on, or have its failed chunks tried again; the answer is the run as it is then. */
export function changeRun(id: string, action: "cancel" | "resume" | "retry"): Promise<Run> {
  return write<Run>("POST", `${runPath(id)}/${action}`, {});
}

export async function deleteRun(id: string): Promise<void> {
  await write("DELETE", runPath(id), {});
}

/** Give the API's token, so that this browser may read; an ApiError if it isn't the token. */
export async function signIn(token: string): Promise<void> {
  await write("POST", "/api/session", { token });
}

export type RunListener = { onRun: (run: Run) => void; onConnection: (connected: boolean) => void };

/** Listen to a run's events until it ends or the returned function is called; lost connections are opened again. */
export function followRun(id: string, { onRun, onConnection }: RunListener): () => void {
  let source: EventSource | null = null;
  let reconnect: ReturnType<typeof setTimeout> | undefined;

  const stop = () => {
    clearTimeout(reconnect);
    source?.close();
    onConnection(false);
  };
  const open = () => {
    const events = new EventSource(absoluteUrl(`${runPath(id)}/events`).pathname);
    source = events;
    const receive = (event: MessageEvent<string>) => {
      onRun(JSON.parse(event.data) as Run);
    };
    events.addEventListener("open", () => {
      onConnection(true);
    });
    events.addEventListener("progress", receive);
    events.addEventListener("end", (event: MessageEvent<string>) => {
      receive(event);
      stop();
    });
    events.addEventListener("error", () => {
      onConnection(false);
      // the browser itself reconnects after a lost connection, but gives up when something else answers
      if (events.readyState === EventSource.CLOSED) reconnect = setTimeout(open, RECONNECT_MS);
    });
  };
  open();
  return stop;
}

function runPath(id: string): string {
  return `/api/runs/${encodeURIComponent(id)}`;
}
