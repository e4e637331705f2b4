import type { RunStatus } from "../apiTypes";
import { isActive, statusTitle } from "../lib/runStatus";

const ALARMING: RunStatus[] = ["failed", "completed_with_errors", "interrupted"];

/** A run's status in a word or three. */
export function StatusBadge({ status }: { status: RunStatus }) {
  const colour = isActive({ status }) ? "text-accent" : ALARMING.includes(status) ? "text-danger" : "text-muted";
  return (
    <span className={`rounded-full border border-current px-2 py-px text-xs whitespace-nowrap ${colour}`}>
      {statusTitle(status)}
    </span>
  );
}
