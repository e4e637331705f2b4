/** The way to the comparison of a run's two largest groups; others are chosen there. */

import { Link } from "wouter";

import type { Run } from "../../apiTypes";
import { groupPart } from "../../lib/compareSides";
import { partsPath } from "../../lib/compareState";
import { visibleName } from "../../lib/runTitle";

export function GroupsLink({ run }: { run: Run }) {
  const [a, b] = [...run.groups].sort((x, y) => y.num_rows - x.num_rows);
  if (a === undefined || b === undefined) return null;
  return (
    <Link
      href={partsPath(run.id, groupPart(a.name), groupPart(b.name))}
      className="control max-w-full truncate text-ink"
    >
      Compare its groups{run.groups.length === 2 && `, ${visibleName(a.name)} and ${visibleName(b.name)}`}
    </Link>
  );
}
