/** The groups of rows of a run with --group-by, largest first, and the way to compare each with the largest. */

import { Link } from "wouter";

import type { Run } from "../../apiTypes";
import { groupPart } from "../../lib/compareSides";
import { partsPath } from "../../lib/compareState";
import { formatCount } from "../../lib/format";
import { visibleName } from "../../lib/runTitle";

export function RunGroups({ run }: { run: Run }) {
  if (run.groups.length === 0) return null;
  const groups = [...run.groups].sort((x, y) => y.num_rows - x.num_rows);
  const [largest] = groups;
  const column = run.options["group_by"];
  return (
    <section aria-labelledby="groups" className="min-w-0">
      <h2 id="groups" className="mb-1.5 font-semibold">
        {formatCount(groups.length)} groups{column == null ? "" : `, by ${visibleName(String(column))}`}
      </h2>
      <div className="panel max-h-96 overflow-auto" tabIndex={0} role="region" aria-label="Groups">
        <table className="w-full text-left tabular-nums">
          <thead className="text-xs text-muted">
            <tr className="border-b border-line [&>th]:px-3 [&>th]:py-1.5 [&>th]:font-normal">
              <th scope="col">group</th>
              <th scope="col" className="text-right">
                rows
              </th>
              <th scope="col" className="text-right max-sm:hidden">
                distinct texts
              </th>
              <th scope="col" className="text-right">
                tokens
              </th>
              <th scope="col">
                <span className="sr-only">compare</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {groups.map((group) => (
              <tr key={group.name} className="[&>*]:px-3 [&>*]:py-1">
                <th scope="row" className="font-normal break-all" title={visibleName(group.name)}>
                  <bdi>{visibleName(group.name) || "(empty)"}</bdi>
                </th>
                <td className="text-right">{formatCount(group.num_rows)}</td>
                <td className="text-right max-sm:hidden">{formatCount(group.num_texts)}</td>
                <td className="text-right">{formatCount(group.num_tokens)}</td>
                <td>
                  {largest !== undefined && group !== largest && (
                    <Link
                      href={partsPath(run.id, groupPart(largest.name), groupPart(group.name))}
                      className="whitespace-nowrap text-accent underline"
                    >
                      compare<span className="sr-only"> with {visibleName(largest.name)}</span>
                    </Link>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
