/** Rows and comparisons as React queries. Features and runs have their own files. */

import { keepPreviousData, queryOptions, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import {
  fetchComparison,
  fetchFoundFeatures,
  fetchPrompt,
  fetchPrompts,
  fetchRowFirings,
  fetchTextParts,
  type FiringsQuery,
  type PromptsQuery,
} from "./api";
import type { Prompt, PromptList } from "./apiTypes";
import type { CompareState } from "./lib/compareState";
import { isFiltered, type PromptsState, wantedRows } from "./lib/promptState";
import { LIVE_MS, retryAfter } from "./lib/refreshIntervals";
import { isActive } from "./lib/runStatus";
import { FRESH_MS, isLive, useNeighbours, useRefreshInterval } from "./queries";
import { useRuns } from "./runQueries";

/** Rows, or compared features, on one page. */
export const ROWS_PER_PAGE = 50;
export const FEATURES_PER_PAGE = 100;

/**
 * A page of rows. The API looks for a text for about a second and then answers with what it has; this goes on where it
 * stopped until the page is full or there are no more rows.
 */
export function usePrompts(state: PromptsState) {
  const { run, from } = state;
  const interval = useRefreshInterval(run);
  const first: PromptsQuery = { ...wantedRows(state), from, limit: ROWS_PER_PAGE };
  const answer = useInfiniteQuery({
    queryKey: ["prompts", first],
    queryFn: ({ pageParam, signal }) => fetchPrompts(pageParam, signal),
    initialPageParam: first,
    getNextPageParam: (last, parts) => {
      const missing = ROWS_PER_PAGE - rowsOf(parts).length;
      return last.next === null || missing === 0 ? undefined : { ...first, from: last.next, limit: missing };
    },
    placeholderData: keepPreviousData,
    staleTime: ({ state }) => (isLive(state.data?.pages[0]) ? 0 : FRESH_MS),
    // a search that took several answers isn't repeated every few seconds
    refetchInterval: ({ state: { data, error } }) =>
      isFiltered(state) && data !== undefined && data.pages.length > 1
        ? false
        : interval({ data: data?.pages[0], error }),
  });
  const { hasNextPage, isFetching, isError, fetchNextPage } = answer;
  const goesOn = hasNextPage && !isError;
  useEffect(() => {
    if (goesOn && !isFetching) void fetchNextPage();
  }, [goesOn, isFetching, fetchNextPage]);

  const parts = answer.data?.pages;
  return { ...answer, head: parts?.[0], rows: rowsOf(parts ?? []), next: parts?.at(-1)?.next ?? null, goesOn };
}

function rowsOf(parts: PromptList[]): Prompt[] {
  return parts.flatMap(({ prompts }) => prompts);
}

function promptOptions(rowId: number, run: string | null) {
  return queryOptions({
    queryKey: ["prompt", run, rowId],
    queryFn: ({ signal }) => fetchPrompt(rowId, run, signal),
  });
}

/** One row; its neighbours are loaded too. */
export function usePrompt(rowId: number, run: string | null) {
  const client = useQueryClient();
  const interval = useRefreshInterval(run);
  const prompt = useQuery({
    ...promptOptions(rowId, run),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => interval(state),
  });
  useNeighbours(prompt.data, (neighbour) => [client.query(promptOptions(neighbour, run))]);
  return prompt;
}

/** What else fires at some of a row's tokens; asks for nothing of a run that doesn't keep it. */
export function useRowFirings(rowId: number, query: FiringsQuery, isKept: boolean) {
  const interval = useRefreshInterval(query.run);
  return useQuery({
    queryKey: ["row firings", rowId, query],
    queryFn: ({ signal }) => fetchRowFirings(rowId, query, signal),
    enabled: isKept,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => interval(state),
  });
}

/** The features that the rows found have more often than others; asks for nothing about all rows. */
export function useFoundFeatures(state: PromptsState) {
  const interval = useRefreshInterval(state.run);
  const wanted = wantedRows(state);
  return useQuery({
    queryKey: ["found features", wanted],
    queryFn: ({ signal }) => fetchFoundFeatures(wanted, signal),
    enabled: isFiltered(state),
    refetchInterval: (query) => interval(query.state),
  });
}

/** How many rows have parts of a text; asks for nothing without a text. */
export function useTextParts(text: string | null, run: string | null) {
  return useQuery({
    queryKey: ["text parts", run, text],
    queryFn: ({ signal }) => fetchTextParts(text ?? "", run, signal),
    enabled: text !== null,
  });
}

/** The row before a row; null if there is none, if it isn't known yet, and for no row. */
export function useRowBefore(rowId: number | null, run: string | null): number | null {
  const row = useQuery({ ...promptOptions(rowId ?? 0, run), enabled: rowId !== null });
  return rowId === null ? null : (row.data?.previous ?? null);
}

/** What the API is asked for to compare two sides. */
export function comparisonQuery({ a, b, partA, partB, show, sort, order, minCount }: CompareState) {
  return {
    a: a ?? "",
    b: b ?? "",
    part_a: partA,
    part_b: partB,
    show: show === "all" ? null : show,
    sort,
    order,
    min_count: minCount,
    id: null,
  };
}

/** A page of the features of two runs, or one feature; asks for nothing until both runs are chosen. */
export function useComparison(state: CompareState, featureId: number | null = null) {
  const runs = useRuns().data ?? [];
  const { a, b } = state;
  const of: CompareState = featureId === null ? state : { ...state, minCount: null, show: "all", offset: 0 };
  const query = { ...comparisonQuery(of), offset: of.offset, limit: FEATURES_PER_PAGE, id: featureId };
  const isGoing = runs.some((run) => (run.id === a || run.id === b) && isActive(run));
  return useQuery({
    queryKey: ["comparison", query],
    queryFn: ({ signal }) => fetchComparison(query, signal),
    enabled: a !== null && b !== null,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state: { error } }) => retryAfter(error) || (isGoing && LIVE_MS),
  });
}
