/** A run's models as React queries: whether they can be asked, texts' features, and what was kept of other answers. */

import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { isNotFound } from "./api";
import { IS_EMBEDDED } from "./lib/embedded";
import { encodeRow, encodeText, fetchEffects, fetchGraph, fetchModels } from "./modelApi";

const MODELS_MS = 60_000;
const KEEP = { staleTime: Infinity, refetchInterval: false, retry: false } as const; // asking costs, and answers don't change

/** Whether runs' models can be asked here, and why not; null of an API of an earlier version, which knows nothing of it. */
export function useModels() {
  return useQuery({
    queryKey: ["models"],
    queryFn: async ({ signal }) => {
      try {
        return await fetchModels(signal);
      } catch (error) {
        if (isNotFound(error)) return null;
        throw error;
      }
    },
    enabled: !IS_EMBEDDED,
    staleTime: MODELS_MS,
    refetchInterval: false,
    retry: false,
  });
}

/** A text's features; asks for nothing without a text. */
export function useEncodedText(text: string | null, run: string | null) {
  return useQuery({
    queryKey: ["encoded text", run, text],
    queryFn: ({ signal }) => encodeText(text ?? "", run, signal),
    enabled: text !== null,
    ...KEEP,
  });
}

/** All features of some of a row's tokens; asks for nothing until it is wanted. */
export function useEncodedRow(
  rowId: number,
  query: { run: string | null; from: number; tokens: number },
  isWanted: boolean,
) {
  return useQuery({
    queryKey: ["encoded row", rowId, query],
    queryFn: ({ signal }) => encodeRow(rowId, query, signal),
    enabled: isWanted,
    placeholderData: keepPreviousData,
    ...KEEP,
  });
}

/** What is kept of what a feature does to later predictions; null if nothing is. */
export function useKeptEffects(featureId: number, run: string) {
  return useQuery({
    queryKey: effectsKey(featureId, run),
    queryFn: ({ signal }) => orNull(fetchEffects(featureId, run, signal)),
    ...KEEP,
  });
}

/** The patterns that are kept of a feature; null if there are none. */
export function useKeptGraph(featureId: number, run: string) {
  return useQuery({
    queryKey: graphKey(featureId, run),
    queryFn: ({ signal }) => orNull(fetchGraph(featureId, run, signal)),
    ...KEEP,
  });
}

export function effectsKey(featureId: number, run: string): unknown[] {
  return ["effects", run, featureId];
}

export function graphKey(featureId: number, run: string): unknown[] {
  return ["graph", run, featureId];
}

async function orNull<Payload>(asked: Promise<Payload>): Promise<Payload | null> {
  try {
    return await asked;
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}
