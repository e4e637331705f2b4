/** All runs, newest first; each row leads to its run. */

import { Link } from "wouter";

import type { Run } from "../apiTypes";
import { useTableKeyboard } from "../hooks/useTableKeyboard";
import { formatCount, formatDate, shortPath } from "../lib/format";
import { hookPoint, runPath, runSubject } from "../lib/runStatus";
import { ProgressBar } from "./ProgressBar";
import { StatusBadge } from "./StatusBadge";

export function RunsTable({ runs }: { runs: Run[] }) {
  const { body, onKeyDown } = useTableKeyboard();
  return (
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
          </tr>
        </thead>
        <tbody ref={body}>
          {runs.map((run) => (
            <RunRow key={run.id} run={run} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function RunRow({ run }: { run: Run }) {
  const { source, model, autoencoder } = runSubject(run);
  const date = run.created_at ?? run.started_at;
  const numTokens = run.progress?.num_tokens ?? run.num_tokens;
  return (
    <tr className="relative border-b border-line last:border-0 focus-within:bg-sunken hover:bg-sunken [&>td]:px-3 [&>td]:py-1.5 [&>td]:align-top">
      <td className="min-w-0">
        <Link href={runPath(run.id)} className="font-mono text-xs break-all text-accent after:absolute after:inset-0">
          {run.id}
        </Link>
        {date !== null && (
          <time dateTime={date} className="block text-xs text-muted">
            {formatDate(date)}
          </time>
        )}
        <span className="block text-xs break-all text-muted md:hidden">{shortPath(source)}</span>
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
    </tr>
  );
}
