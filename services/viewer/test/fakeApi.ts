/** A real HTTP server with the API's addresses and payloads over a few made-up features, for the page tests. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import type { FeatureInfo, Options, RankedFeature, Ranking, Run, Sequence } from "../src/apiTypes";

const NUM_FEATURES = 512;

export const RUN: Run = {
  id: "20261123-101500_run-001",
  status: "complete",
  error: null,
  created_at: "2026-11-23T10:14:00Z",
  finished_at: "2026-11-23T10:25:00Z",
  seconds: 600,
  started_at: "2026-11-23T10:15:00Z",
  source: "headlines.csv",
  subject: "gpt2",
  autoencoder: "az://container/autoencoders/6.pt",
  layer_index: 6,
  location: "resid_post_mlp",
  num_prompts: 1200,
  num_tokens: 34567,
  num_features: NUM_FEATURES,
  num_active_features: 120,
  num_skipped_rows: 0,
  options: { source: "headlines.csv", max_rows: 1200, subject: "gpt2", layer: 6, seed: 0 },
  skipped_rows: {},
  failed_chunks: [],
  progress: null,
  can: { cancel: false, resume: false, delete: true },
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
  can: { cancel: true, resume: false, delete: true },
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

/** 120 features fired; by `alpha` their order is 0, 1, 2 …, by `beta` it is the reverse. */
const FEATURES: RankedFeature[] = Array.from({ length: 120 }, (_, id) => {
  const metrics = { alpha: (120 - id) / 8, beta: id / 4 };
  return { feature_id: id, value: 0, metrics };
});

export const TOP_TEXT: Sequence = {
  density: 0.25,
  doc_id: 0,
  row_id: 77,
  offset: 0,
  idx: 2,
  act: 3.0625,
  acts: [0, 0.5, 3.0625, 0],
  tokens: ["<|endoftext|>", "Profit", " <b>rises</b>", "\n"],
  token_ints: [50256, 37380, 16736, 198],
  count: 4,
};

export type Write = { call: string; body: unknown; token: string | undefined };

export type FakeApi = {
  origin: string;
  runs: Run[];
  /** Null: an API that doesn't know of starting runs. */
  options: Options | null;
  /** What every write is answered with instead of being done. */
  refusal: { status: number; error: string; field?: string } | null;
  requests: string[];
  writes: Write[];
  close: () => void;
};

/** Start the server on a free port of this machine; a test may change what it knows and read what it was asked. */
export async function startFakeApi(): Promise<FakeApi> {
  const api: FakeApi = {
    origin: "",
    runs: [RUN],
    options: null,
    refusal: null,
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
        api.writes.push({ call, body: JSON.parse(text), token: request.headers.authorization });
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
  const query = url.searchParams;
  const [, , , id] = url.pathname.split("/");
  const { runs } = api;
  if (url.pathname === "/api/options") {
    return api.options === null ? [404, { error: "there is nothing at /api/options" }] : [200, api.options];
  }
  if (url.pathname === "/api/runs") return [200, { runs }];
  const asked = url.pathname.startsWith("/api/runs/") ? id : query.get("run");
  const run =
    asked == null
      ? (runs.find(({ status }) => status === "complete") ?? runs[0])
      : runs.find((one) => one.id === asked);
  if (run === undefined) return [404, { error: `There is no run '${asked ?? ""}'.` }];
  if (url.pathname.startsWith("/api/runs/")) return [200, run];
  if (run.progress?.num_records === 0) return [404, { error: "The run has nothing to show yet." }];
  const live = run.progress === null ? {} : { live: true, num_records: run.progress.num_records };
  if (url.pathname === "/api/features") return [200, { ...ranking(query), run: run.id, ...live }];
  const featureId = Number(query.get("id"));
  if (featureId >= NUM_FEATURES) return [404, { error: `There is no feature ${featureId}.` }];
  return [200, { ...feature(featureId, live), run: run.id }];
}

function change(url: URL, method: string, api: FakeApi): [number, unknown] {
  if (api.refusal !== null) return [api.refusal.status, api.refusal];
  const [, , , id, action] = url.pathname.split("/");
  if (method === "DELETE") {
    api.runs = api.runs.filter((run) => run.id !== id);
    return [204, null];
  }
  if (id === undefined) {
    api.runs = [LIVE_RUN, ...api.runs];
    return [201, { id: LIVE_RUN.id, status: "queued" }];
  }
  const status = action === "cancel" ? "cancelled" : "queued";
  const can = { cancel: status === "queued", resume: status === "cancelled", delete: true };
  api.runs = api.runs.map((run) => (run.id === id ? { ...run, status, can, progress: null } : run));
  return [200, api.runs.find((run) => run.id === id)];
}

function ranking(query: URLSearchParams): Ranking {
  const metric = query.get("metric") ?? "alpha";
  const sign = query.get("order") === "asc" ? 1 : -1;
  const offset = Number(query.get("offset"));
  const limit = Number(query.get("limit"));
  const features = FEATURES.map((one) => ({ ...one, value: one.metrics[metric] ?? 0 }))
    .sort((a, b) => sign * (a.value - b.value))
    .slice(offset, offset + limit);
  return {
    run: RUN.id,
    features,
    metric,
    metrics_available: ["alpha", "beta"],
    metric_descriptions: { alpha: "The first letter.", beta: "The second letter." },
    num_features: NUM_FEATURES,
    num_active_features: 120,
    num_tokens: 34567,
    offset,
    limit,
  };
}

function feature(id: number, live: { live?: boolean }): FeatureInfo {
  const fired = id < 120;
  const moments = fired
    ? { density: 0.25, mean_act: 0.5, mean_act_squared: 0.75, max_act: 3.0625, skew: 2.5, kurtosis: 9.5 }
    : { density: 0, mean_act: 0, mean_act_squared: 0, max_act: 0, skew: 0, kurtosis: 0 };
  const texts = Array.from({ length: fired ? 8 : 0 }, (_, row) => ({
    ...TOP_TEXT,
    row_id: 77 + row,
    count: live.live === true ? null : 4,
  }));
  return {
    run: RUN.id,
    ...live,
    feature_id: id,
    ...moments,
    num_active_tokens: fired ? 42 : 0,
    num_tokens: 34567,
    metrics: FEATURES[id]?.metrics ?? { alpha: 0, beta: 0 },
    bin_width: 0.2,
    hist: fired ? { "1": 30, "3": 11, "16": 1 } : {},
    top: texts,
    random: texts.map((text) => ({ ...text, idx: 1, act: 0.5 })),
  };
}
