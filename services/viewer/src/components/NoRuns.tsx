/** What to do when there is no run at all. */

import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link } from "wouter";

import { useOptions } from "../runQueries";
import { ContentPlaceholder } from "./ContentPlaceholder";

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
      {canStart ? (
        <Link href="/runs/new" className="control mt-1 inline-block text-ink">
          Start a run
        </Link>
      ) : (
        <>
          Start one with <code className="text-ink">saescope run --max-rows 1000</code>, or look at the demo with{" "}
          <code className="text-ink">saescope demo</code>; it appears here by itself.
        </>
      )}
    </ContentPlaceholder>
  );
}
