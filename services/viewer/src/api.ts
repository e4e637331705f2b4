/** The one module that talks to the API: its addresses, its event stream, its errors. Caches nothing. */

import type {
  Comparison,
  FeatureInfo,
  FeatureRank,
  Options,
  OptionValue,
  PromptInfo,
  PromptList,
  Provenance,
  Ranking,
  Run,
} from "./apiTypes";
import type { ListQuery } from "./lib/ranking";
import { readToken } from "./lib/accessToken";
import { absoluteUrl } from "./lib/basePath";

/** A stretch of a dataset's rows, from the row with that id on. */
export type PromptsQuery = { run: string | null; from: number; limit: number; text: string | null };

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

/** What the API or the network answered instead of data, as a sentence for the person at the screen. */
export class ApiError extends Error {
  /** The HTTP status, or null if there was no usable answer. */
  readonly status: number | null;
  /** The option that the API objects to, if it named one. */
  readonly field: string | null;

  constructor(sentence: string, status: number | null, field: string | null = null) {
    super(sentence);
    this.name = "ApiError";
    this.status = status;
    this.field = field;
  }
}

/** Whether the API's answer was that there is no such thing (yet), as against an answer that failed. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

/** Whether the API wants its token first. */
export function isUnauthorised(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

/** Whether asking again later may help: nothing answered, or it could not. */
export function isTemporary(error: unknown): boolean {
  return error instanceof ApiError && (error.status === null || error.status >= 500);
}

const UNREACHABLE =
  "The API doesn't answer. Start it with `saescope serve` or `docker compose up` (port 8765), then try again.";
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

/** Features of two runs by how differently they fire. */
export function fetchComparison(query: ComparisonQuery, signal?: AbortSignal): Promise<Comparison> {
  return get<Comparison>("/api/compare", query, signal);
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

type Query = Record<string, string | number | true | null>;

function get<Payload>(path: string, parameters: Query, signal: AbortSignal | undefined): Promise<Payload> {
  return request<Payload>(address(path, parameters), {
    headers: { accept: "application/json" },
    signal: signal ?? null,
  });
}

function address(path: string, parameters: Query): URL {
  const url = absoluteUrl(path);
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null) url.searchParams.set(name, String(value));
  }
  return url;
}

function write<Payload>(method: "POST" | "DELETE", path: string, body: object): Promise<Payload> {
  const token = readToken();
  return request<Payload>(absoluteUrl(path), {
    method,
    headers: {
      accept: "application/json",
      "content-type": "application/json",
      ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
}

async function request<Payload>(url: URL, init: RequestInit): Promise<Payload> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new ApiError(UNREACHABLE, null);
  }
  const body = response.status === 204 ? null : await readJson(response);
  if (!response.ok) throw errorOf(body, response.status);
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

function errorOf(body: unknown, status: number): ApiError {
  const { error, field } = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  return new ApiError(
    typeof error === "string" ? error : `The API answered with status ${status} and no explanation.`,
    status,
    typeof field === "string" ? field : null,
  );
}
