/** What a run can be compared with: another run, its own groups, or, as a control, its random halves. */

import { Link } from "wouter";

import type { Run } from "../../apiTypes";
import { comparableRuns } from "../../lib/comparableRuns";
import { comparePath, DEFAULT_COMPARE_STATE, partsPath } from "../../lib/compareState";
import { useRuns } from "../../runQueries";
import { GroupsLink } from "./GroupsLink";

export function RunCompareLinks({ run }: { run: Run }) {
  const hasOthers = comparableRuns(run, useRuns().data ?? []).length > 0;
  return (
    <>
      {hasOthers && (
        <Link href={comparePath({ ...DEFAULT_COMPARE_STATE, a: run.id })} className="control">
          Compare with another run
        </Link>
      )}
      <GroupsLink run={run} />
      {run.num_texts !== null && (
        <Link href={partsPath(run.id, "half:0", "half:1")} className="control">
          Compare its halves
        </Link>
      )}
    </>
  );
}
