/** The one module that talks to the API: its addresses, its event stream, its errors. Caches nothing. */

import type { FeatureInfo, Options, OptionValue, Ranking, Run } from "./apiTypes";
import { readToken } from "./lib/token";

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

/** Everything about one feature, with up to `topK` strongest and as many random examples. */
export function fetchFeature(
  featureId: number,
  run: string | null,
  topK: number,
  signal?: AbortSignal,
): Promise<FeatureInfo> {
  return get<FeatureInfo>("/api/feature_info", { id: featureId, top_k: topK, run }, signal);
}

/** Start a run with the options that differ from their defaults; the answer is its id. */
export async function startRun(options: Record<string, OptionValue>): Promise<string> {
  return (await write<{ id: string }>("POST", "/api/runs", options)).id;
}

/** Cancel a run or let it go on; the answer is the run as it is then. */
export function changeRun(id: string, action: "cancel" | "resume"): Promise<Run> {
  return write<Run>("POST", `${runPath(id)}/${action}`, {});
}

export async function deleteRun(id: string): Promise<void> {
  await write("DELETE", runPath(id), {});
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
    const events = new EventSource(`${runPath(id)}/events`);
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

function get<Payload>(
  path: string,
  parameters: Record<string, string | number | null>,
  signal: AbortSignal | undefined,
): Promise<Payload> {
  const url = new URL(path, window.location.origin);
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null) url.searchParams.set(name, String(value));
  }
  return request<Payload>(url, { headers: { accept: "application/json" }, signal: signal ?? null });
}

function write<Payload>(method: "POST" | "DELETE", path: string, body: object): Promise<Payload> {
  const token = readToken();
  return request<Payload>(new URL(path, window.location.origin), {
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
