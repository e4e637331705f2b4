/** The API's answers as React queries: cached, shared between components, kept on screen while the next ones load. */

import {
  keepPreviousData,
  QueryCache,
  QueryClient,
  queryOptions,
  useQueries,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useEffect, useEffectEvent, useState } from "react";

import { ApiError, fetchFeature, fetchRank, fetchRanking, isUnauthorised, type RankingQuery } from "./api";
import type { RankedFeature } from "./apiTypes";
import { BLOCK_SIZE, blockOf, blocksOf, isSameList, type ListQuery, listQuery } from "./lib/ranking";
import { LIVE_MS, retryAfter } from "./lib/refreshIntervals";
import { isActive, isStopped } from "./lib/runStatus";
import type { ListState, ViewState } from "./lib/viewState";
import { useRuns } from "./runQueries";

const EXAMPLES_PER_LIST = 20; // the default of `--top-tokens-per-feature`
export const FRESH_MS = 60_000;
const PASSING_MS = 50; // what is scrolled past faster isn't asked for

/**
 * A client that tries once more when nothing answered, but takes the API's own errors as final; `onUnauthorised` is
 * called when the API wants its token.
 */
export function createQueryClient(onUnauthorised: () => void = () => undefined): QueryClient {
  return new QueryClient({
    queryCache: new QueryCache({
      onError: (error) => {
        if (isUnauthorised(error)) onUnauthorised();
      },
    }),
    defaultOptions: {
      queries: {
        staleTime: ({ state }) => (isLive(state.data) ? 0 : FRESH_MS),
        refetchOnWindowFocus: false,
        refetchInterval: ({ state }) => retryAfter(state.error),
        networkMode: "always", // the API is often on this very machine: it answers without a network
        retryDelay: 500,
        retry: (failures, error) => failures < 1 && (!(error instanceof ApiError) || error.status === null),
      },
    },
  });
}

/** Whether the data are figures of a run that is going, which are out of date as soon as they are there. */
export function isLive(data: unknown): boolean {
  return typeof data === "object" && data !== null && "live" in data && data.live === true;
}

function rankingOptions(list: ListState, stretch: Omit<RankingQuery, keyof ListQuery>, pauseMs = 0) {
  const query = { ...listQuery(list), ...stretch };
  return queryOptions({
    queryKey: ["ranking", query],
    queryFn: async ({ signal }) => {
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      signal.throwIfAborted();
      return fetchRanking(query, signal);
    },
  });
}

function blockOptions(list: ListState, offset: number, pauseMs = 0) {
  return rankingOptions(list, { offset, limit: BLOCK_SIZE, details: true }, pauseMs);
}

/** One feature, with what is said of the list as a whole. */
function oneOptions(list: ListState, offset: number) {
  return rankingOptions(list, { offset, limit: 1, details: null });
}

function rankOptions(featureId: number, list: ListState) {
  const query = listQuery(list);
  return queryOptions({
    queryKey: ["rank", query, featureId],
    queryFn: ({ signal }) => fetchRank(featureId, query, signal),
  });
}

function featureOptions(featureId: number, run: string | null) {
  return queryOptions({
    queryKey: ["feature", run, featureId],
    queryFn: ({ signal }) => fetchFeature(featureId, run, EXAMPLES_PER_LIST, signal),
  });
}

type Answered = { data: { run: string } | undefined; error: Error | null };

/** How long to wait before asking again: seconds while the run that is shown is going or nothing answers, or for ever. */
export function useRefreshInterval(asked: string | null): (answered: Answered) => number | false {
  const runs = useRuns().data;
  return ({ data: answer, error }) => {
    const pause = retryAfter(error);
    if (pause !== false) return pause;
    const shown = answer?.run ?? asked;
    const run = shown === null ? runs?.[0] : runs?.find(({ id }) => id === shown);
    if (run === undefined || isStopped(run)) return false;
    // the last live answer of a run that has ended since is followed by the final one
    return (isActive(run) || isLive(answer)) && LIVE_MS;
  };
}

/**
 * The facts of the list that the state asks for, from the block at which it was opened.
 *
 * While another list is on its way, the last one is shown on: `shown` is the state that `data` and the rows belong to.
 */
export function useFeatureList(state: ViewState) {
  const interval = useRefreshInterval(state.run);
  const [last, setLast] = useState({ state, block: blockOf(state.offset) });
  const isChanging = !isSameList(last.state, state);
  const block = isChanging ? blockOf(state.offset) : last.block;
  const answer = useQuery({
    ...blockOptions(state, block),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => interval(query.state),
  });
  const isThere = answer.data !== undefined && !answer.isPlaceholderData;
  if (isChanging ? isThere : last.state !== state) setLast({ state, block });
  return { ...answer, shown: isChanging ? last.state : state, isChanging };
}

/** The features at some ranks of a list, and those of their blocks; one that isn't there yet is undefined. */
export function useFeatureRows(list: ListState, ranks: number[]) {
  const interval = useRefreshInterval(list.run);
  const offsets = blocksOf(ranks);
  const blocks = useQueries({
    queries: offsets.map((offset) => ({
      ...blockOptions(list, offset, PASSING_MS),
      refetchInterval: ({ state }: { state: Answered }) => interval(state),
    })),
  });
  const featureAt = (rank: number): RankedFeature | undefined =>
    blocks[offsets.indexOf(blockOf(rank))]?.data?.features[rank % BLOCK_SIZE];
  const failed = blocks.filter(({ isError }) => isError);
  const retry = () => {
    for (const block of failed) void block.refetch();
  };
  return { featureAt, error: failed[0]?.error ?? null, retry };
}

/** What heads the list: its metrics and its length. */
export function useRankingHead(list: ListState) {
  const interval = useRefreshInterval(list.run);
  return useQuery({
    ...oneOptions(list, 0),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => interval(state),
  });
}

export function useFeature(featureId: number, run: string | null) {
  const interval = useRefreshInterval(run);
  return useQuery({
    ...featureOptions(featureId, run),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => interval(state),
  });
}

/** One feature for a look at it in passing: asked once and kept, also of a run that is going; null: nothing is asked. */
export function useFeaturePreview(featureId: number | null, run: string | null) {
  return useQuery({
    ...featureOptions(featureId ?? 0, run),
    enabled: featureId !== null,
    staleTime: FRESH_MS,
    refetchInterval: false,
  });
}

/** Load what a neighbour's page needs, so that going there is immediate; `load` asks for all of it. */
export function useNeighbours(
  neighbours: { previous: number | null; next: number | null } | undefined,
  load: (neighbour: number) => Promise<unknown>[],
): void {
  const loadAll = useEffectEvent(load);
  useEffect(() => {
    for (const neighbour of [neighbours?.next, neighbours?.previous]) {
      if (neighbour == null) continue;
      // one that can't be loaded says so on its own page
      for (const loading of loadAll(neighbour)) loading.catch(() => undefined);
    }
  }, [neighbours]);
}

/** A feature’s rank and neighbours in a list; the neighbours' pages are loaded too. */
export function usePlace(featureId: number, list: ListState) {
  const client = useQueryClient();
  const interval = useRefreshInterval(list.run);
  const place = useQuery({
    ...rankOptions(featureId, list),
    refetchInterval: ({ state }) => interval(state),
  });
  useNeighbours(place.data, (neighbour) => [
    client.query(featureOptions(neighbour, list.run)),
    client.query(rankOptions(neighbour, list)),
  ]);
  return place;
}

/** A function that finds a random feature of the list; null if the list is empty. */
export function useRandomFeature(list: ListState): () => Promise<number | null> {
  const client = useQueryClient();
  return async () => {
    const head = await client.query(oneOptions(list, 0));
    if (head.num_matching === 0) return null;
    const offset = Math.floor(Math.random() * head.num_matching);
    const pick = await client.query(oneOptions(list, offset));
    return pick.features[0]?.feature_id ?? null;
  };
}
