/** What follows from a run's entry: is it going, how far is it, what is it about. */

import type { FailedChunk, OptionValue, Progress, Run, RunStatus } from "../apiTypes";
import { formatCount, formatDuration } from "./format";

/** Whether the run may still get further by itself. */
export function isActive(run: Pick<Run, "status">): boolean {
  return run.status === "queued" || run.status === "running";
}

/** Whether the run is unfinished and stays as it is until someone resumes it. */
export function isStopped(run: Pick<Run, "status">): boolean {
  return run.status === "cancelled" || run.status === "failed" || run.status === "interrupted";
}

/** Whether the run has read its source to the end and its files are published. */
export function isFinished(run: Pick<Run, "status">): boolean {
  return run.status === "complete" || run.status === "completed_with_errors";
}

/** The address of a run's page. */
export function runPath(id: string): string {
  return `/runs/${encodeURIComponent(id)}`;
}

export function statusTitle(status: RunStatus): string {
  return status.replaceAll("_", " ");
}

/** What the run reads and with which model: from its plan, or while it is queued from its options. */
export function runSubject(run: Run): { source: string; model: string; autoencoder: string } {
  const { options } = run;
  return {
    source: run.source ?? known(options["prompt_file"]) ?? known(options["source"]) ?? "–",
    model: run.subject ?? known(options["subject"]) ?? "–",
    autoencoder: run.autoencoder ?? known(options["autoencoder"]) ?? "–",
  };
}

/** The layer and location of the hook point: "layer 6, resid_post_mlp". */
export function hookPoint(run: Run): string {
  const layer = run.layer_index ?? known(run.options["layer"]) ?? "–";
  return `layer ${layer}, ${run.location ?? known(run.options["location"]) ?? "–"}`;
}

function known(value: OptionValue | undefined): string | null {
  return value == null ? null : String(value);
}

/** Rows done of all rows, 0 to 1; null while nobody knows how many there are. */
export function shareDone({ num_records, total_records }: Progress): number | null {
  if (total_records === null) return null;
  return total_records === 0 ? 1 : Math.min(1, num_records / total_records);
}

/** "1,200 of about 5,000 rows"; "about" until the total is exact. */
export function describeRows({ num_records, total_records, total_is_exact }: Progress): string {
  if (total_records === null) return `${formatCount(num_records)} rows, of a number not known yet`;
  return `${formatCount(num_records)} of ${total_is_exact ? "" : "about "}${formatCount(total_records)} rows`;
}

/** "about 3 min left"; nothing if it isn't known. */
export function describeTimeLeft({ seconds_left }: Progress): string | null {
  return seconds_left === null ? null : `about ${formatDuration(seconds_left)} left`;
}

/** "chunk 3: rows 3,000 to 3,999". */
export function describeChunk({ chunk, first_row, last_row }: FailedChunk): string {
  return `chunk ${chunk}: rows ${formatCount(first_row)} to ${formatCount(last_row)}`;
}

/** What trying failed chunks again costs: what is computed again, and what isn't; nothing if there is none to try. */
export function describeRetry({ status, retry_from }: Pick<Run, "status" | "retry_from">): string | null {
  if (retry_from === null) return null;
  const what =
    retry_from === 0
      ? "everything is computed again, as nothing was kept from before the failed chunks"
      : `chunk ${retry_from} and all after it are computed again; what came before was kept`;
  return isFinished({ status })
    ? `If failed chunks are tried again, ${what}.`
    : `Failed chunks are tried again: ${what}.`;
}
