/** Writes a feature's label and note; what somebody else wrote meanwhile is shown beside it, and one of both is chosen. */

import { useQueryClient } from "@tanstack/react-query";
import { type KeyboardEvent, type SubmitEvent, useId, useState } from "react";

import { ApiError } from "../../api";
import type { Label } from "../../apiTypes";
import { rememberLabel, useChangeLabel } from "../../labelQueries";
import { LabelProblem } from "./LabelProblem";
import { LabelText } from "./LabelText";

const MOST_LABEL = 500; // as in the API
const MOST_NOTE = 4000;

type Props = {
  featureId: number;
  run: string;
  /** What was said when the writing began. */
  began: Label | null;
  onDone: () => void;
};

export function LabelForm({ featureId, run, began, onDone }: Props) {
  const id = useId();
  const [text, setText] = useState(began?.label ?? "");
  const [note, setNote] = useState(began?.note ?? "");
  const client = useQueryClient();
  const change = useChangeLabel(featureId, run);
  const theirs = change.error instanceof ApiError ? change.error.label : null;

  const save = (since: Label | null) => {
    // only what was changed: what somebody else says of the rest stays
    const changed = {
      ...(text.trim() !== (began?.label ?? "") && { label: text }),
      ...(note.trim() !== (began?.note ?? "") && { note }),
    };
    if (Object.keys(changed).length === 0) onDone();
    else change.mutate({ ...changed, if_updated_at: since?.updated_at ?? null }, { onSuccess: onDone });
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (theirs === null) save(began);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") onDone();
  };
  return (
    <form
      aria-label={`Label of feature ${featureId}`}
      className="panel basis-full space-y-2 px-3 py-2"
      onSubmit={submit}
      onKeyDown={onKeyDown}
    >
      <label className="block">
        <span className="mb-0.5 block text-xs text-muted">Label</span>
        <input
          className="control w-full max-w-prose"
          type="text"
          autoComplete="off"
          autoFocus
          maxLength={MOST_LABEL}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
          }}
        />
      </label>
      <label className="block">
        <span className="mb-0.5 block text-xs text-muted">Note</span>
        <textarea
          className="control block w-full max-w-prose"
          rows={2}
          maxLength={MOST_NOTE}
          value={note}
          onChange={(event) => {
            setNote(event.target.value);
          }}
        />
      </label>
      {theirs !== null ? (
        <Conflict
          id={id}
          theirs={theirs}
          onMine={() => {
            save(theirs);
          }}
          onTheirs={() => {
            rememberLabel(client, run, theirs);
            onDone();
          }}
        />
      ) : (
        <>
          {change.isError && <LabelProblem error={change.error} />}
          <div className="flex gap-2">
            <button type="submit" className="control font-medium" disabled={change.isPending}>
              Save
            </button>
            <button type="button" className="control" onClick={onDone}>
              Cancel
            </button>
          </div>
        </>
      )}
    </form>
  );
}

type ConflictProps = { id: string; theirs: Label; onMine: () => void; onTheirs: () => void };

function Conflict({ id, theirs, onMine, onTheirs }: ConflictProps) {
  return (
    <div className="space-y-2">
      <div role="alert" id={id} className="text-danger wrap-anywhere">
        Somebody changed this meanwhile: label <Said text={theirs.label} />, note <Said text={theirs.note} />.
      </div>
      <div className="flex gap-2">
        <button type="button" className="control" aria-describedby={id} onClick={onMine}>
          Keep yours
        </button>
        <button type="button" className="control" aria-describedby={id} onClick={onTheirs}>
          Take theirs
        </button>
      </div>
    </div>
  );
}

function Said({ text }: { text: string | null }) {
  if (text === null) return "none";
  return (
    <>
      “<LabelText text={text} />”
    </>
  );
}
