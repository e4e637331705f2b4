/** The API's answers as React queries: cached, shared between components, kept on screen while the next ones load. */

import { keepPreviousData, QueryClient, queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";

import { ApiError, fetchFeature, fetchRanking, fetchRuns } from "./api";
import { findPlace, PAGE_SIZE } from "./lib/ranking";
import type { ViewState } from "./lib/viewState";

const EXAMPLES_PER_LIST = 20; // the default of `--top-tokens-per-feature`
const FRESH_MS = 60_000;

/** A client that tries once more when nothing answered, but takes the API's own errors as final. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: FRESH_MS,
        refetchOnWindowFocus: false,
        networkMode: "always", // the API is often on this very machine: it answers without a network
        retryDelay: 500,
        retry: (failures, error) => failures < 1 && (!(error instanceof ApiError) || error.status === null),
      },
    },
  });
}

type Ranked = Pick<ViewState, "run" | "metric" | "order">;

function rankingOptions({ run, metric, order }: Ranked, offset: number, limit: number) {
  const query = { run, metric, order, offset, limit };
  return queryOptions({ queryKey: ["ranking", query], queryFn: ({ signal }) => fetchRanking(query, signal) });
}

function featureOptions(featureId: number, run: string | null) {
  return queryOptions({
    queryKey: ["feature", run, featureId],
    queryFn: ({ signal }) => fetchFeature(featureId, run, EXAMPLES_PER_LIST, signal),
  });
}

export function useRuns() {
  return useQuery({ queryKey: ["runs"], queryFn: ({ signal }) => fetchRuns(signal) });
}

/** The page of the ranking that starts at the state's offset. */
export function useRanking(state: ViewState) {
  return useQuery({ ...rankingOptions(state, state.offset, PAGE_SIZE), placeholderData: keepPreviousData });
}

/** What heads the ranking: its metrics, its length, and the strongest feature whatever the order shown. */
export function useRankingHead({ run, metric }: Ranked) {
  return useQuery({ ...rankingOptions({ run, metric, order: "desc" }, 0, 1), placeholderData: keepPreviousData });
}

export function useFeature(featureId: number, run: string | null) {
  return useQuery({ ...featureOptions(featureId, run), placeholderData: keepPreviousData });
}

/** A feature’s rank (from 0) and neighbours in the ranking, which it loads too; data is null if it isn’t ranked. */
export function usePlace(featureId: number, ranked: Ranked, value: number | undefined, total: number | undefined) {
  const client = useQueryClient();
  const known = value !== undefined && total !== undefined;
  return useQuery({
    queryKey: ["place", ranked.run, ranked.metric, ranked.order, featureId, value, total],
    enabled: known,
    queryFn: async () => {
      if (!known) return null;
      const readPage = async (page: number) =>
        (await client.query(rankingOptions(ranked, page * PAGE_SIZE, PAGE_SIZE))).features;
      const place = await findPlace(featureId, value, total, ranked.order, readPage);
      for (const neighbour of [place?.previous, place?.next]) {
        // a neighbour that can't be loaded says so on its own page
        if (neighbour != null) client.query(featureOptions(neighbour, ranked.run)).catch(() => undefined);
      }
      return place;
    },
  });
}

/** A function that finds a random feature among those that fired; null if none did. */
export function useRandomFeature(ranked: Ranked): () => Promise<number | null> {
  const client = useQueryClient();
  return async () => {
    const head = await client.query(rankingOptions(ranked, 0, 1));
    if (head.num_active_features === 0) return null;
    const offset = Math.floor(Math.random() * head.num_active_features);
    const pick = await client.query(rankingOptions(ranked, offset, 1));
    return pick.features[0]?.feature_id ?? null;
  };
}
