/** Cancel, resume, try failed chunks again, delete (after asking), start another like it: what one can do with a run. */

import { useState } from "react";
import { Link, useLocation } from "wouter";

import type { Options, Run } from "../apiTypes";
import { newRunPath } from "../lib/runForm";
import { describeRetry } from "../lib/runStatus";
import { type RunAction, useRunAction } from "../runQueries";
import { AccessTokenField } from "./AccessTokenField";

const TITLES = { cancel: "Cancel run", resume: "Resume run", retry: "Try failed chunks again" };

export function RunActions({ run, options }: { run: Run; options: Options }) {
  const [, navigate] = useLocation();
  const [confirming, setConfirming] = useState(false);
  const [asked, setAsked] = useState(false); // then the button that asked gets the focus back
  const action = useRunAction(run.id);
  const retry = describeRetry(run);

  const start = (which: RunAction) => {
    action.mutate(which, {
      onSuccess: () => {
        if (which === "delete") navigate("/runs", { replace: true });
      },
      onSettled: () => {
        setConfirming(false);
      },
    });
  };
  return (
    <section aria-label="Actions" className="space-y-3">
      {confirming ? (
        <ConfirmDelete
          pending={action.isPending}
          onConfirm={() => {
            start("delete");
          }}
          onKeep={() => {
            setConfirming(false);
          }}
        />
      ) : (
        <div className="flex flex-wrap gap-2">
          {(["cancel", "resume", "retry"] as const)
            .filter((which) => run.can[which])
            .map((which) => (
              <button
                key={which}
                type="button"
                className="control"
                disabled={action.isPending}
                onClick={() => {
                  start(which);
                }}
              >
                {TITLES[which]}
              </button>
            ))}
          <Link href={newRunPath(run.options, options.options)} className="control">
            Start one like this
          </Link>
          {run.can.delete && (
            <button
              type="button"
              className="control text-danger"
              disabled={action.isPending}
              autoFocus={asked}
              onClick={() => {
                setAsked(true);
                setConfirming(true);
              }}
            >
              Delete run…
            </button>
          )}
        </div>
      )}
      {retry !== null && <p className="text-muted">{retry}</p>}
      {options.needs_token === true && <AccessTokenField />}
      {action.isError && (
        <p role="alert" className="break-words text-danger">
          {action.error.message}
        </p>
      )}
    </section>
  );
}

type ConfirmProps = { pending: boolean; onConfirm: () => void; onKeep: () => void };

function ConfirmDelete({ pending, onConfirm, onKeep }: ConfirmProps) {
  return (
    <div
      role="alertdialog"
      aria-label="Delete this run?"
      aria-describedby="delete-consequence"
      className="panel flex flex-wrap items-center gap-2 border-danger px-3 py-2"
      onKeyDown={(event) => {
        if (event.key === "Escape") onKeep();
      }}
    >
      <p id="delete-consequence" className="mr-auto">
        Delete this run and all its files? That can’t be undone.
      </p>
      <button type="button" className="control text-danger" disabled={pending} onClick={onConfirm}>
        Delete for good
      </button>
      <button type="button" className="control" autoFocus onClick={onKeep}>
        Keep it
      </button>
    </div>
  );
}
