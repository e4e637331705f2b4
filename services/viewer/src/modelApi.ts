/** What can be asked of a run's models. Like api.ts it caches nothing; whatever costs is refused on embedded pages. */

import { ask, ApiError, askInParts, get } from "./apiRequests";
import type {
  EffectsPart,
  Encoded,
  ExampleEffects,
  FeatureEffects,
  FeatureGraph,
  GeneratedToken,
  ModelsState,
  PartProgress,
  SteeredTexts,
  TextToSteer,
} from "./apiTypes";
import { MARKER } from "./lib/rowFeatures";

/** A part of any answer: one of these. */
export type Part = Pick<EffectsPart, "progress" | "problem"> & { piece?: unknown; result?: unknown };

/** What comes of an answer while it comes. */
export type Listener<Piece> = { onProgress: (progress: PartProgress) => void; onPiece: (piece: Piece) => void };

/** Asks, and tells of progress and pieces; the answer is its result. An ApiError if there is none. */
export type Asking<Piece, Result> = (listener: Listener<Piece>, signal: AbortSignal) => Promise<Result>;

export function fetchModels(signal?: AbortSignal): Promise<ModelsState> {
  return get<ModelsState>("/api/models", {}, signal);
}

export async function encodeText(text: string, run: string | null, signal?: AbortSignal): Promise<Encoded> {
  return counted(await ask<Encoded>("/api/encode", { text }, { run }, signal));
}

/** All features of some of a row's tokens. */
export async function encodeRow(
  rowId: number,
  query: { run: string | null; from: number; tokens: number },
  signal?: AbortSignal,
): Promise<Encoded> {
  return counted(await get<Encoded>(`/api/prompts/${rowId}/activations`, query, signal));
}

/** With tokens counted in the whole text, as everywhere here; the API counts from the first of those it answers about. */
function counted(encoded: Encoded): Encoded {
  const { first } = encoded;
  const inText = (token: number) => (token === MARKER ? MARKER : token + first);
  return {
    ...encoded,
    windows: encoded.windows.map(inText),
    features: encoded.features.map((feature) => ({
      ...feature,
      at: feature.at.map(inText),
      largest_at: inText(feature.largest_at),
    })),
  };
}

/** What is kept of a feature's effects; an ApiError with status 404 if nothing is. */
export function fetchEffects(featureId: number, run: string, signal?: AbortSignal): Promise<FeatureEffects> {
  return get<FeatureEffects>("/api/effects", { run, feature_id: featureId }, signal);
}

export function askEffects(featureId: number, run: string): Asking<ExampleEffects, FeatureEffects> {
  return inParts("/api/effects", {}, { run, feature_id: featureId });
}

export function steer(question: TextToSteer, run: string): Asking<GeneratedToken, SteeredTexts> {
  return inParts("/api/steer", question, { run });
}

/** The patterns that are kept of a feature; an ApiError with status 404 if there are none. */
export function fetchGraph(featureId: number, run: string, signal?: AbortSignal): Promise<FeatureGraph> {
  return get<FeatureGraph>("/api/graph", { run, feature_id: featureId }, signal);
}

export function askGraph(featureId: number, run: string): Asking<never, FeatureGraph> {
  return inParts("/api/graph", {}, { run, feature_id: featureId });
}

const NO_RESULT = "The answer ended without a result; try again.";

function inParts<Piece, Result>(
  path: string,
  body: object,
  parameters: Record<string, string | number>,
): Asking<Piece, Result> {
  return async ({ onProgress, onPiece }, signal) => {
    let result: Result | undefined;
    const receive = ({ progress, piece, problem, ...last }: Part) => {
      if (problem !== undefined) throw new ApiError(problem.error, problem.status);
      if (progress !== undefined) onProgress(progress);
      if (piece !== undefined) onPiece(piece as Piece);
      if (last.result !== undefined) result = last.result as Result;
    };
    await askInParts(
      path,
      body,
      parameters,
      (part) => {
        receive(part as Part);
      },
      signal,
    );
    if (result === undefined) throw new ApiError(NO_RESULT, null);
    return result;
  };
}
