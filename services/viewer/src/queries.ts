/** The API's answers as React queries: cached, shared between components, kept on screen while the next ones load. */

import { keepPreviousData, QueryClient, queryOptions, useQuery, useQueryClient } from "@tanstack/react-query";

import { ApiError, fetchFeature, fetchRanking } from "./api";
import { findPlace, PAGE_SIZE, type Place } from "./lib/ranking";
import { isActive, isStopped } from "./lib/runs";
import type { ViewState } from "./lib/viewState";
import { useRuns } from "./runQueries";

const EXAMPLES_PER_LIST = 20; // the default of `--top-tokens-per-feature`
const FRESH_MS = 60_000;
const LIVE_MS = 4000;

/** A client that tries once more when nothing answered, but takes the API's own errors as final. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: ({ state }) => (isLive(state.data) ? 0 : FRESH_MS),
        refetchOnWindowFocus: false,
        networkMode: "always", // the API is often on this very machine: it answers without a network
        retryDelay: 500,
        retry: (failures, error) => failures < 1 && (!(error instanceof ApiError) || error.status === null),
      },
    },
  });
}

/** Whether the data are figures of a run that is going, which are out of date as soon as they are there. */
function isLive(data: unknown): boolean {
  return typeof data === "object" && data !== null && "live" in data && data.live === true;
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

/** How long to wait before asking again: a few seconds while the run that is shown is going, else for ever. */
function useRefreshInterval(asked: string | null): (answer: { run: string } | undefined) => number | false {
  const runs = useRuns().data;
  return (answer) => {
    const shown = answer?.run ?? asked;
    const run = shown === null ? runs?.[0] : runs?.find(({ id }) => id === shown);
    if (run === undefined || isStopped(run)) return false;
    // the last live answer of a run that has ended since is followed by the final one
    return isActive(run) || isLive(answer) ? LIVE_MS : false;
  };
}

/** The page of the ranking that starts at the state's offset. */
export function useRanking(state: ViewState) {
  const interval = useRefreshInterval(state.run);
  return useQuery({
    ...rankingOptions(state, state.offset, PAGE_SIZE),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => interval(query.state.data),
  });
}

/** What heads the ranking: its metrics, its length, and the strongest feature whatever the order shown. */
export function useRankingHead({ run, metric }: Ranked) {
  const interval = useRefreshInterval(run);
  return useQuery({
    ...rankingOptions({ run, metric, order: "desc" }, 0, 1),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => interval(query.state.data),
  });
}

export function useFeature(featureId: number, run: string | null) {
  const interval = useRefreshInterval(run);
  return useQuery({
    ...featureOptions(featureId, run),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => interval(query.state.data),
  });
}

/** A feature’s rank (from 0) and neighbours in the ranking, which it loads too; data is null if it isn’t ranked. */
export function usePlace(featureId: number, ranked: Ranked, value: number | undefined, total: number | undefined) {
  const client = useQueryClient();
  const known = value !== undefined && total !== undefined;
  const feature = ["place", ranked.run, ranked.metric, ranked.order, featureId];
  const lastPlace = () =>
    client
      .getQueriesData<Place | null>({ queryKey: feature })
      .map(([, place]) => place)
      .findLast((place) => place != null) ?? null;
  return useQuery({
    queryKey: [...feature, value, total],
    enabled: known,
    placeholderData: () => lastPlace() ?? undefined,
    queryFn: async () => {
      if (!known) return null;
      const readPage = async (page: number) =>
        (await client.query(rankingOptions(ranked, page * PAGE_SIZE, PAGE_SIZE))).features;
      const place = await findPlace(featureId, value, total, ranked.order, readPage);
      for (const neighbour of [place?.previous, place?.next]) {
        // a neighbour that can't be loaded says so on its own page
        if (neighbour != null) client.query(featureOptions(neighbour, ranked.run)).catch(() => undefined);
      }
      // while a run is going, the ranking may have moved on since the feature's value was read
      return place ?? lastPlace();
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
