/** A real HTTP server with the API's addresses and payloads over a few made-up features, for the page tests. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import type { FeatureInfo, RankedFeature, Ranking, Run, Sequence } from "../src/api";

const RUN: Run = {
  id: "20261123-101500_run-001",
  status: "complete",
  started_at: "2026-11-23T10:15:00Z",
  source: "headlines.csv",
  subject: "gpt2",
  autoencoder: "az://container/autoencoders/6.pt",
  layer_index: 6,
  location: "resid_post_mlp",
  num_prompts: 1200,
  num_tokens: 34567,
  num_features: 512,
  num_skipped_rows: 0,
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

export type FakeApi = { origin: string; runs: Run[]; requests: string[]; close: () => void };

/** Start the server on a free port of this machine; `runs` may be emptied and `requests` read by a test. */
export async function startFakeApi(): Promise<FakeApi> {
  const api: FakeApi = { origin: "", runs: [RUN], requests: [], close: () => undefined };
  const server: Server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    api.requests.push(url.pathname + url.search);
    const [status, body] = answer(url, api.runs);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  api.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  api.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return api;
}

function answer(url: URL, runs: Run[]): [number, unknown] {
  const query = url.searchParams;
  if (url.pathname === "/api/runs") return [200, { runs }];
  const run = query.get("run") ?? RUN.id;
  if (!runs.some((known) => known.id === run)) return [404, { error: `There is no run '${run}'.` }];
  if (url.pathname === "/api/features") return [200, ranking(query)];
  const id = Number(query.get("id"));
  return id < RUN.num_features ? [200, feature(id)] : [404, { error: `There is no feature ${id}.` }];
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
    num_features: 512,
    num_active_features: 120,
    num_tokens: 34567,
    offset,
    limit,
  };
}

function feature(id: number): FeatureInfo {
  const fired = id < 120;
  const moments = fired
    ? { density: 0.25, mean_act: 0.5, mean_act_squared: 0.75, max_act: 3.0625, skew: 2.5, kurtosis: 9.5 }
    : { density: 0, mean_act: 0, mean_act_squared: 0, max_act: 0, skew: 0, kurtosis: 0 };
  const texts = Array.from({ length: fired ? 8 : 0 }, (_, row) => ({ ...TOP_TEXT, row_id: 77 + row }));
  return {
    run: RUN.id,
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
