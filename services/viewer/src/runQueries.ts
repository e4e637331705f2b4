/** Runs as React queries: the list, one followed live, what can be chosen for a new one, and what can be done to one. */

import { keepPreviousData, type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { changeRun, deleteRun, fetchOptions, fetchProvenance, fetchRun, fetchRuns, isNotFound, startRun } from "./api";
import type { Run } from "./apiTypes";
import { useRunEvents } from "./hooks/useRunEvents";
import { retryAfter } from "./lib/refreshIntervals";
import { isActive } from "./lib/runStatus";

const POLL_MS = 3000;
const POLL_BESIDE_EVENTS_MS = 30_000; // a connection may be dead without either end noticing
const LIST_MS = 5000;
const IDLE_LIST_MS = 20_000;

/** All runs, newest first; asked for again more often while one of them is going, or there is none yet. */
export function useRuns() {
  return useQuery({
    queryKey: ["runs"],
    queryFn: ({ signal }) => fetchRuns(signal),
    refetchInterval: ({ state: { data, error } }) =>
      retryAfter(error) || (data?.length === 0 || data?.some(isActive) === true ? LIST_MS : IDLE_LIST_MS),
  });
}

/** One run; while it is going, followed by its events, or by asking every few seconds while no events come. */
export function useRun(id: string) {
  const client = useQueryClient();
  const listed = useRuns().data?.find((run) => run.id === id);
  const { data = listed, error } = client.getQueryState<Run>(["run", id]) ?? {};
  const active = data !== undefined && isActive(data) && !isNotFound(error);
  const connected = useRunEvents(id, active, (run) => {
    rememberRun(client, run);
  });
  const run = useQuery<Run>({
    queryKey: ["run", id],
    queryFn: ({ signal }) => fetchRun(id, signal),
    refetchInterval: ({ state }) =>
      retryAfter(state.error) || (active && (connected ? POLL_BESIDE_EVENTS_MS : POLL_MS)),
  });
  // also when the first answer about this run alone doesn't come
  return { ...run, data: run.data ?? listed };
}

/** What a run was made of; asked for again when its status changes, as files come and go. */
export function useProvenance({ id, status }: Run) {
  return useQuery({
    queryKey: ["provenance", id, status],
    queryFn: ({ signal }) => fetchProvenance(id, signal),
    placeholderData: keepPreviousData,
  });
}

/** What can be chosen for a run; null where runs can't be started. */
export function useOptions() {
  return useQuery({
    queryKey: ["options"],
    queryFn: async ({ signal }) => {
      const options = await fetchOptions(signal);
      return options?.can_start === true ? options : null;
    },
  });
}

export function useStartRun() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: startRun,
    onSuccess: () => client.invalidateQueries({ queryKey: ["runs"] }),
  });
}

export type RunAction = "cancel" | "resume" | "retry" | "delete";

/** Does something to a run; what is shown of it follows at once. */
export function useRunAction(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (action: RunAction) => {
      if (action !== "delete") {
        rememberRun(client, await changeRun(id, action));
        if (action === "retry") forgetFigures(client);
        return;
      }
      await deleteRun(id);
      client.setQueryData<Run[]>(["runs"], (runs) => runs?.filter((run) => run.id !== id));
    },
    // refused: the run isn't what this page took it for
    onError: () => client.invalidateQueries({ queryKey: ["run", id] }),
  });
}

function rememberRun(client: QueryClient, run: Run): void {
  client.setQueryData(["run", run.id], run);
  client.setQueryData<Run[]>(["runs"], (runs) => runs?.map((known) => (known.id === run.id ? run : known)));
}

/** Ask again for all that is shown of runs' features and rows, as those of a finished run no longer hold. */
function forgetFigures(client: QueryClient): void {
  const ofRuns = ["run", "runs", "options"];
  void client.invalidateQueries({ predicate: ({ queryKey: [kind] }) => !ofRuns.includes(kind as string) });
}

/** The run with this id, or without one the newest, if it is still going. */
export function useLiveRun(id: string | null): Run | undefined {
  const runs = useRuns().data;
  const run = id === null ? runs?.[0] : runs?.find((candidate) => candidate.id === id);
  return run !== undefined && isActive(run) ? run : undefined;
}
