/** What is said of a feature, on its page: a star, a label, a note; all can be changed where they stand. */

import { useId, useState } from "react";

import { isNotFound } from "../../api";
import type { Label } from "../../apiTypes";
import { useRovingGroup } from "../../hooks/useRovingGroup";
import { useShortcuts } from "../../hooks/useShortcuts";
import { useChangeLabel, useLabels } from "../../labelQueries";
import { LabelForm } from "./LabelForm";
import { LabelProblem } from "./LabelProblem";
import { LabelText } from "./LabelText";

type Props = { featureId: number; run: string };

/** Goes on with another feature as if it had never been there. */
export function LabelEditor({ featureId, run }: Props) {
  const labels = useLabels(run);
  if (labels.isError && labels.data === undefined) {
    return (
      <p className="basis-full text-xs text-muted">
        {isNotFound(labels.error) ? labels.error.message : `Labels can’t be had: ${labels.error.message}`}
      </p>
    );
  }
  if (labels.data === undefined) return null;
  return <Editor key={`${run} ${featureId}`} featureId={featureId} run={run} label={labels.data.byId.get(featureId)} />;
}

function Editor({ featureId, run, label }: Props & { label: Label | undefined }) {
  // what was said when the writing began: a change of somebody else since then is a conflict
  const [began, setBegan] = useState<Label | null | undefined>(undefined);
  const group = useRovingGroup<HTMLDivElement>();
  const star = useChangeLabel(featureId, run);
  const problemId = useId();
  const isStarred = label?.starred === true;
  const toggle = () => {
    if (!star.isPending) star.mutate({ starred: !isStarred });
  };
  const write = () => {
    setBegan(label ?? null);
  };
  useShortcuts({ s: toggle, l: write });

  return (
    <>
      <div {...group} role="group" aria-label="Star and label" className="flex min-w-0 items-baseline gap-2">
        <button
          type="button"
          aria-pressed={isStarred}
          aria-label="Star"
          title={isStarred ? "Take the star away (s)" : "Star this feature (s)"}
          aria-describedby={star.isError ? problemId : undefined}
          className="min-w-[1.9rem] text-xl leading-none text-star"
          onClick={toggle}
        >
          <span aria-hidden="true">{isStarred ? "★" : "☆"}</span>
        </button>
        {began === undefined && (
          <>
            <button type="button" className="text-xs text-accent underline whitespace-nowrap" onClick={write}>
              {label?.label == null ? "add a label" : "edit"}
            </button>
            {label?.author != null && (
              <span className="max-w-48 truncate text-xs text-faint">
                by <LabelText text={label.author} />
              </span>
            )}
          </>
        )}
      </div>
      {began === undefined && label?.note != null && (
        <div className="basis-full">
          <p className="max-w-prose text-muted whitespace-pre-wrap wrap-anywhere" data-testid="note">
            <LabelText text={label.note} whole breakLines />
          </p>
        </div>
      )}
      {began !== undefined && (
        <LabelForm
          featureId={featureId}
          run={run}
          began={began}
          onDone={() => {
            setBegan(undefined);
          }}
        />
      )}
      {star.isError && (
        <div id={problemId} className="basis-full">
          <LabelProblem error={star.error} />
        </div>
      )}
    </>
  );
}
