/** All runs, newest first; each row leads to its run, and two that are ticked can be compared. */

import { useState } from "react";
import { Link } from "wouter";

import type { Run } from "../apiTypes";
import { useTableKeyboard } from "../hooks/useTableKeyboard";
import { comparableRuns } from "../lib/comparableRuns";
import { formatCount, formatDate, shortPath } from "../lib/format";
import { hookPoint, runPath, runSubject } from "../lib/runStatus";
import { runName } from "../lib/runTitle";
import { ProgressBar } from "./ProgressBar";
import { RunsToCompare } from "./run/RunsToCompare";
import { StatusBadge } from "./StatusBadge";

export function RunsTable({ runs }: { runs: Run[] }) {
  const { body, onKeyDown } = useTableKeyboard("a[data-entry]");
  const [ticked, setTicked] = useState<string[]>([]);
  const chosen = runs.filter(({ id }) => ticked.includes(id)); // without those that are gone
  const [first] = chosen;
  const others = first === undefined ? runs : comparableRuns(first, runs);
  const isOffered = (run: Run) => ticked.includes(run.id) || (chosen.length < 2 && others.includes(run));
  return (
    <div className="space-y-3">
      <RunsToCompare runs={runs} chosen={chosen} />
      <div className="panel overflow-x-auto">
        <table className="w-full text-left" onKeyDown={onKeyDown}>
          <thead className="text-xs text-muted">
            <tr className="border-b border-line [&>th]:px-3 [&>th]:py-1.5 [&>th]:font-normal">
              <th scope="col">run</th>
              <th scope="col">status</th>
              <th scope="col" className="hidden md:table-cell">
                dataset
              </th>
              <th scope="col" className="hidden lg:table-cell">
                model
              </th>
              <th scope="col" className="hidden lg:table-cell">
                SAE
              </th>
              <th scope="col" className="hidden text-right sm:table-cell">
                tokens
              </th>
              {runs.length > 1 && <th scope="col">compare</th>}
            </tr>
          </thead>
          <tbody ref={body}>
            {runs.map((run) => (
              <RunRow key={run.id} run={run}>
                {runs.length > 1 && (
                  <td className="w-px text-center">
                    <input
                      type="checkbox"
                      className="relative z-10 size-4 accent-accent"
                      aria-label={`Compare ${runName(run)}, ${run.id}`}
                      title={
                        isOffered(run)
                          ? undefined
                          : "Runs of another model or autoencoder, or a third, can’t be compared"
                      }
                      checked={ticked.includes(run.id)}
                      disabled={!isOffered(run)}
                      onChange={({ target: { checked } }) => {
                        setTicked(checked ? [...ticked, run.id] : ticked.filter((id) => id !== run.id));
                      }}
                    />
                  </td>
                )}
              </RunRow>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function RunRow({ run, children }: { run: Run; children: React.ReactNode }) {
  const { source, model, autoencoder } = runSubject(run);
  const date = run.created_at ?? run.started_at;
  const numTokens = run.progress?.num_tokens ?? run.num_tokens;
  return (
    <tr className="relative border-b border-line last:border-0 focus-within:bg-sunken hover:bg-sunken [&>td]:px-3 [&>td]:py-1.5 [&>td]:align-top">
      <td className="min-w-0">
        <Link data-entry href={runPath(run.id)} className="text-accent after:absolute after:inset-0">
          <bdi className="block font-medium break-words">{runName(run)}</bdi>{" "}
          <span className="font-mono text-xs break-all text-muted">{run.id}</span>
        </Link>
        {date !== null && (
          <time dateTime={date} className="block text-xs text-muted">
            {formatDate(date)}
          </time>
        )}
        {run.progress?.problem != null && (
          <span className="block text-xs break-words text-danger">{run.progress.problem}</span>
        )}
      </td>
      <td className="w-px">
        <StatusBadge status={run.status} />
        {run.progress !== null && (
          <ProgressBar progress={run.progress} label={`Progress of run ${run.id}`} className="mt-1.5 h-1.5" />
        )}
      </td>
      <td className="hidden break-all md:table-cell" title={source}>
        {shortPath(source)}
      </td>
      <td className="hidden lg:table-cell" title={model}>
        <span className="break-all">{shortPath(model)}</span>
        <span className="block text-xs text-muted">{hookPoint(run)}</span>
      </td>
      <td className="hidden break-all lg:table-cell" title={autoencoder}>
        {shortPath(autoencoder)}
      </td>
      <td className="hidden text-right tabular-nums sm:table-cell">{formatCount(numTokens)}</td>
      {children}
    </tr>
  );
}
