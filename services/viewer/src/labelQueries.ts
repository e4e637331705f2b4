/** What people say of features, as React queries: all of it with one request, and saying something. */

import { useCallback } from "react";

import { keepPreviousData, type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { fetchLabels, importLabels, putLabel } from "./api";
import type { Label, LabelChange, LabelList } from "./apiTypes";
import { retryAfter } from "./lib/refreshIntervals";

const FRESH_MS = 15_000; // others may say something meanwhile

/** All that is said of the features of a run's autoencoder. */
export type Labels = {
  run: string;
  needsToken: boolean;
  byId: ReadonlyMap<number, Label>;
};

function indexed(list: LabelList): Labels {
  const byId = new Map(list.labels.map((label) => [label.feature_id, label]));
  return { run: list.run, needsToken: list.needs_token, byId };
}

/** What is said of a run's features; a run without labels, as those of earlier versions, is an error with status 404. */
export function useLabels(run: string | null) {
  return useQuery({
    queryKey: ["labels", run],
    queryFn: ({ signal }) => fetchLabels(run, signal),
    select: indexed,
    staleTime: FRESH_MS,
    refetchOnWindowFocus: true,
    refetchInterval: ({ state }) => retryAfter(state.error),
  });
}

/** What is said of a feature; undefined if nothing is, or if that isn't known. */
export function useLabel(featureId: number, run: string | null): Label | undefined {
  return useLabels(run).data?.byId.get(featureId);
}

/** A feature's label, by its number; null if it has none, or if that isn't known. */
export function useLabelOf(run: string | null): (featureId: number) => string | null {
  const labels = useLabels(run).data;
  return useCallback((featureId) => labels?.byId.get(featureId)?.label ?? null, [labels]);
}

/** Says something of a feature; what is shown of it follows wherever it stands. */
export function useChangeLabel(featureId: number, run: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (change: Partial<LabelChange>) => putLabel(featureId, run, change),
    onSuccess: (label) => {
      rememberLabel(client, run, label);
    },
  });
}

/** What would become of lines of labels, which nothing changes yet. */
export function useImportPlan(run: string, file: { number: number; lines: string }, replace: boolean) {
  return useQuery({
    queryKey: ["labels in a file", run, file.number, replace],
    queryFn: () => importLabels(run, file.lines, replace, true),
    placeholderData: keepPreviousData,
    gcTime: 0,
    staleTime: Infinity,
  });
}

/** Takes over lines of labels; what is shown of all features follows. */
export function useImportLabels(run: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ lines, replace }: { lines: string; replace: boolean }) => importLabels(run, lines, replace, false),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["labels"] });
      void client.invalidateQueries({ predicate: ({ queryKey }) => isOfLabelled(queryKey) });
    },
  });
}

/** Show what is said of a feature now, in all runs of the run's autoencoder. */
export function rememberLabel(client: QueryClient, run: string, label: Label): void {
  const of = client
    .getQueriesData<LabelList>({ queryKey: ["labels"] })
    .find(([, list]) => list?.run === run)?.[1]?.sha256;
  client.setQueriesData<LabelList>({ queryKey: ["labels"] }, (list) =>
    list !== undefined && list.sha256 === of ? { ...list, labels: withLabel(list.labels, label) } : list,
  );
  void client.invalidateQueries({ predicate: ({ queryKey }) => isOfLabelled(queryKey) });
}

function withLabel(labels: Label[], label: Label): Label[] {
  const others = labels.filter(({ feature_id: id }) => id !== label.feature_id);
  const isSaid = label.label !== null || label.note !== null || label.starred;
  return isSaid ? [...others, label] : others;
}

/** Whether a query is about lists of which labels decide what is in them. */
function isOfLabelled([kind, query]: readonly unknown[]): boolean {
  if ((kind !== "ranking" && kind !== "rank") || typeof query !== "object" || query === null) return false;
  const { labelled, starred } = query as { labelled?: unknown; starred?: unknown };
  return labelled === true || starred === true;
}
