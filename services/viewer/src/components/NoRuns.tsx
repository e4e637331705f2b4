/** What to do when there is no run at all: what to type, or where to click. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link } from "wouter";

import { useOptions } from "../runQueries";
import { ContentPlaceholder } from "./ContentPlaceholder";

const COMMANDS = [
  { command: "saescope demo", does: "a small model over headlines, in a minute, without a download" },
  {
    command: "saescope run --source texts.csv --max-rows 1000",
    does: "your own texts: CSV, JSON Lines, Parquet or plain",
  },
  { command: "saescope run --help", does: "all that can be chosen" },
];

export function NoRuns() {
  const canStart = useOptions().data != null;
  const client = useQueryClient();
  useEffect(
    // What was asked while there was no run has failed; with the first one it is asked again.
    () => () => void client.resetQueries({ predicate: ({ state }) => state.status === "error" }),
    [client],
  );
  return (
    <ContentPlaceholder title="There are no runs yet">
      <p>A run reads a dataset and says of every feature when it fires. It appears here by itself as it goes on.</p>
      {canStart ? (
        <Link href="/runs/new" className="control mt-3 inline-block text-ink">
          Start a run
        </Link>
      ) : (
        <dl className="mt-3 space-y-2">
          {COMMANDS.map(({ command, does }) => (
            <div key={command}>
              <dt>
                <code className="rounded bg-sunken px-1.5 py-0.5 break-words text-ink">{command}</code>
              </dt>
              <dd className="text-xs">{does}</dd>
            </div>
          ))}
        </dl>
      )}
    </ContentPlaceholder>
  );
}
