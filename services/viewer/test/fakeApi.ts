/** A real HTTP server with the API's addresses and payloads over a few made-up runs, for the page tests. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import type {
  FeatureEffects,
  FeatureGraph,
  Label,
  LabelChange,
  ModelsState,
  Options,
  RowFirings,
  Run,
} from "../src/apiTypes";
import { compareRuns, countParts, describeFound, describePrompt, listPrompts } from "./fakeContent";
import type { Part } from "../src/modelApi";
import { changedLabels, labelOf } from "./fakeLabels";
import { describeFeature, listFeatures, NUM_FEATURES, NUM_TOKENS, rankFeature } from "./fakeFeatures";
import { encode, PARTS, sendParts } from "./fakeModels";
import { PROVENANCE } from "./fakeProvenance";

export const RUN: Run = {
  id: "20261123-101500_run-001",
  name: null,
  status: "complete",
  error: null,
  created_at: "2026-11-23T10:14:00Z",
  finished_at: "2026-11-23T10:25:00Z",
  seconds: 600,
  started_at: "2026-11-23T10:15:00Z",
  source: "headlines.csv",
  text_column: "title",
  subject: "gpt2",
  autoencoder: "az://container/autoencoders/6.pt",
  layer_index: 6,
  location: "resid_post_mlp",
  num_prompts: 1200,
  num_tokens: NUM_TOKENS,
  num_texts: 1190,
  groups: [],
  self_check: null,
  num_features: NUM_FEATURES,
  num_active_features: 120,
  num_skipped_rows: 0,
  options: { source: "headlines.csv", max_rows: 1200, subject: "gpt2", layer: 6, seed: 0 },
  skipped_rows: {},
  noted_rows: {},
  warnings: [],
  failed_chunks: [],
  retry_from: null,
  progress: null,
  can: { cancel: false, resume: false, retry: false, delete: true },
};

/** The same source again, a quarter done. */
export const LIVE_RUN: Run = {
  ...RUN,
  id: "20261123-110000_run-002",
  status: "running",
  finished_at: null,
  seconds: null,
  num_prompts: 0,
  num_tokens: 0,
  progress: {
    num_records: 300,
    total_records: 1200,
    total_is_exact: false,
    num_tokens: 9000,
    tokens_per_s: 812.4,
    workers: 3,
    seconds_left: 130,
    num_failed_chunks: 0,
    problem: null,
  },
  can: { cancel: true, resume: false, retry: false, delete: true },
};

export const OPTIONS: Options = {
  options: {
    source: { default: "kaggle:owner/name", description: "What to read.", type: "string" },
    max_rows: { default: null, description: "Stop after that many rows.", type: "integer", minimum: 1 },
    layer: { default: 6, description: "Layer of the hook point.", type: "integer", minimum: 0 },
    bos: { default: "exclude", description: "What is prepended.", type: "string", choices: ["exclude", "none"] },
  },
  can_start: true,
  data_files: ["news/headlines.csv", "rows.txt"],
};

export type Write = { call: string; body: unknown; token: string | undefined };

export type FakeApi = {
  origin: string;
  runs: Run[];
  labels: Label[];
  /** What fires in any row; null: the run doesn't keep it. */
  firings: Omit<RowFirings, "run" | "row_id"> | null;
  /** Whether models can be asked; null: an API that knows nothing of it. */
  models: ModelsState | null;
  /** What is kept of answers of models. */
  kept: { effects: FeatureEffects | null; graph: FeatureGraph | null };
  /** The parts of an answer instead of its own; without an end it stays open. */
  parts: { parts: Part[]; ends: boolean } | null;
  /** Answers whose asker went away before they ended. */
  left: string[];
  /** Null: an API that doesn't know of starting runs. */
  options: Options | null;
  /** What every write is answered with instead of being done. */
  refusal: { status: number; error: string; field?: string; label?: Label } | null;
  /** Part of the addresses that are answered with an error. */
  failing: string | null;
  /** The token that reading needs until it was given. */
  token: string | null;
  requests: string[];
  writes: Write[];
  close: () => void;
};

/** Start the server on a free port of this machine; a test may change what it knows and read what it was asked. */
export async function startFakeApi(): Promise<FakeApi> {
  const api: FakeApi = {
    origin: "",
    runs: [RUN],
    labels: [],
    firings: null,
    models: null,
    kept: { effects: null, graph: null },
    parts: null,
    left: [],
    options: null,
    refusal: null,
    failing: null,
    token: null,
    requests: [],
    writes: [],
    close: () => undefined,
  };
  const server: Server = createServer((request, response) => {
    void (async () => {
      const url = new URL(request.url ?? "/", "http://127.0.0.1");
      const text = (await request.toArray()).join("");
      if (request.method === "GET") api.requests.push(url.pathname + url.search);
      else {
        const call = `${request.method ?? ""} ${url.pathname}`;
        const isLines = request.headers["content-type"] === "application/x-ndjson";
        const body: unknown = isLines ? text : JSON.parse(text);
        api.writes.push({ call, body, token: request.headers.authorization });
      }
      const parts = request.method === "POST" && api.refusal === null ? PARTS[url.pathname] : undefined;
      if (parts !== undefined) {
        response.on("close", () => {
          if (!response.writableFinished) api.left.push(url.pathname);
        });
        sendParts(response, api.parts?.parts ?? parts, api.parts?.ends);
        return;
      }
      const [status, body] = request.method === "GET" ? answer(url, api) : change(url, request.method ?? "", api);
      response.writeHead(status, { "content-type": "application/json" }).end(body === null ? "" : JSON.stringify(body));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  api.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  api.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return api;
}

function answer(url: URL, api: FakeApi): [number, unknown] {
  if (api.token !== null) return [401, { error: "this needs the API's token" }];
  if (api.failing !== null && url.search.includes(api.failing)) return [503, { error: "The disk is full." }];
  const query = url.searchParams;
  const [, , , id] = url.pathname.split("/");
  const { runs } = api;
  if (url.pathname === "/api/models") return orNotFound(api.models);
  if (url.pathname === "/api/effects") return orNotFound(api.kept.effects);
  if (url.pathname === "/api/graph") return orNotFound(api.kept.graph);
  if (url.pathname === "/api/options") {
    return api.options === null ? [404, { error: "there is nothing at /api/options" }] : [200, api.options];
  }
  if (url.pathname === "/api/runs") return [200, { runs }];
  if (url.pathname === "/api/compare") return compare(query, runs);
  const asked = url.pathname.startsWith("/api/runs/") ? id : query.get("run");
  const run =
    asked == null
      ? (runs.find(({ status }) => status === "complete") ?? runs[0])
      : runs.find((one) => one.id === asked);
  if (run === undefined) return [404, { error: `There is no run '${asked ?? ""}'.` }];
  if (url.pathname.endsWith("/provenance")) return [200, PROVENANCE];
  if (url.pathname.startsWith("/api/runs/")) return [200, run];
  if (run.progress?.num_records === 0) return [404, { error: "The run has nothing to show yet." }];
  const live = run.progress === null ? {} : { live: true, num_records: run.progress.num_records };
  if (url.pathname === "/api/labels") {
    return [200, { run: run.id, sha256: "a".repeat(64), needs_token: false, labels: api.labels }];
  }
  if (url.pathname === "/api/features") return [200, listFeatures(query, run.id, live)];
  if (url.pathname === "/api/prompts") return [200, listPrompts(query, run.id, live)];
  if (url.pathname === "/api/prompts/features") return [200, describeFound(run.id, live)];
  if (url.pathname === "/api/prompts/parts") return [200, countParts(query, run.id, live)];
  if (url.pathname.endsWith("/activations")) {
    return [200, encode("Profit goes up", run.id, Number(id), Number(query.get("from")))];
  }
  if (url.pathname.startsWith("/api/prompts/")) {
    const prompt = describePrompt(Number(id), run.id, live);
    if (prompt === null) return [404, { error: `run ${run.id} has no row ${id ?? ""}` }];
    if (url.pathname.endsWith("/firings")) return [200, { run: run.id, row_id: prompt.row_id, ...api.firings }];
    return [200, { ...prompt, keeps_firings: api.firings !== null }];
  }
  const featureId = Number(query.get("id"));
  if (featureId >= NUM_FEATURES) return [404, { error: `There is no feature ${featureId}.` }];
  if (url.pathname === "/api/feature_rank") return [200, rankFeature(query, run.id, live)];
  return [200, describeFeature(featureId, run.id, live)];
}

function orNotFound(answer: object | null): [number, unknown] {
  return answer === null ? [404, { error: "There is nothing here." }] : [200, answer];
}

/** Two lines are taken over, unless it is only tried, and what is there already with `replace` alone. */
function importedLabels(query: URLSearchParams, api: FakeApi) {
  const taken = query.has("replace") ? 2 : 1;
  if (!query.has("dry_run")) api.labels = [labelOf(3, { label: "dates" })];
  const skipped = query.has("replace") ? [] : [{ line: 2, why: "feature 5 has another label already" }];
  return { taken, unchanged: 4, num_skipped: skipped.length, skipped };
}

function compare(query: URLSearchParams, runs: Run[]): [number, unknown] {
  const [a, b] = ["a", "b"].map((name) => runs.find(({ id }) => id === query.get(name)));
  if (a === undefined || b === undefined) return [404, { error: "There is no such run." }];
  if (a.autoencoder !== b.autoencoder) return [400, { error: "Their autoencoders differ: choose two of the same." }];
  return [200, compareRuns(query, a.id, b.id)];
}

function change(url: URL, method: string, api: FakeApi): [number, unknown] {
  if (api.refusal !== null) return [api.refusal.status, api.refusal];
  const [, , , id, action] = url.pathname.split("/");
  if (url.pathname === "/api/encode") {
    return [200, encode((api.writes.at(-1)?.body as { text: string }).text, RUN.id, null, 0)];
  }
  if (url.pathname === "/api/labels/import") return [200, importedLabels(url.searchParams, api)];
  if (url.pathname === "/api/session") {
    const isRight = (api.writes.at(-1)?.body as { token: string }).token === api.token;
    if (!isRight) return [401, { error: "that isn't the API's token" }];
    api.token = null;
    return [204, null];
  }
  if (method === "PUT") {
    const { label, labels } = changedLabels(api.labels, Number(id), api.writes.at(-1)?.body as Partial<LabelChange>);
    api.labels = labels;
    return [200, label];
  }
  if (method === "DELETE") {
    api.runs = api.runs.filter((run) => run.id !== id);
    return [204, null];
  }
  if (id === undefined) {
    api.runs = [LIVE_RUN, ...api.runs];
    return [201, { id: LIVE_RUN.id, status: "queued" }];
  }
  const status = action === "cancel" ? "cancelled" : "queued";
  const can = { cancel: status === "queued", resume: status === "cancelled", retry: false, delete: true };
  api.runs = api.runs.map((run) => (run.id === id ? { ...run, status, can, progress: null } : run));
  return [200, api.runs.find((run) => run.id === id)];
}
