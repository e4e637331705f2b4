/** What can be compared of the runs that are ticked. */

import { Link } from "wouter";

import type { Run } from "../../apiTypes";
import { comparePath, DEFAULT_COMPARE_STATE } from "../../lib/compareState";
import { runName } from "../../lib/runTitle";
import { GroupsLink } from "./GroupsLink";

export function RunsToCompare({ runs, chosen }: { runs: Run[]; chosen: Run[] }) {
  if (runs.length < 2) return null;
  const [newer, older] = chosen; // as the list has the newest first
  return (
    <div
      role="group"
      aria-label="To compare"
      className="flex min-h-8 flex-wrap items-center gap-x-3 gap-y-1 text-muted"
    >
      {newer === undefined && "Tick two runs to compare them."}
      {newer !== undefined && older === undefined && (
        <>
          Tick a second run of the same model and autoencoder.
          <GroupsLink run={newer} />
        </>
      )}
      {newer !== undefined && older !== undefined && (
        <Link
          href={comparePath({ ...DEFAULT_COMPARE_STATE, a: older.id, b: newer.id })}
          className="control max-w-full truncate border-accent font-medium text-accent"
        >
          Compare {runName(older)} with {runName(newer)}
        </Link>
      )}
    </div>
  );
}
