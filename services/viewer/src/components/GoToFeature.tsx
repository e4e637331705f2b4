/** A field for a feature's number; "/" puts the cursor in it. */

import { type SubmitEvent, useId, useRef, useState } from "react";

import { useShortcuts } from "../hooks/useShortcuts";

type Props = { numFeatures: number | null; onGo: (featureId: number) => void };

export function GoToFeature({ numFeatures, onGo }: Props) {
  const [text, setText] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const problemId = useId();

  useShortcuts({
    "/": () => {
      field.current?.select();
    },
  });

  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const number = text.trim();
    const featureId = /^\d+$/.test(number) ? Number(number) : NaN;
    if (Number.isSafeInteger(featureId) && (numFeatures === null || featureId < numFeatures)) {
      setText("");
      setProblem(null);
      field.current?.blur();
      onGo(featureId);
    } else {
      setProblem(numFeatures === null ? "Type a feature’s number." : `Features are numbered 0 to ${numFeatures - 1}.`);
    }
  };

  return (
    <form onSubmit={submit} className="relative">
      <input
        ref={field}
        className="control w-32 sm:w-28"
        type="text"
        inputMode="numeric"
        autoComplete="off"
        placeholder="feature no."
        aria-label="Go to feature"
        aria-invalid={problem !== null}
        aria-describedby={problem === null ? undefined : problemId}
        title="Go to a feature by its number (shortcut: /)"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setProblem(null);
        }}
      />
      {problem !== null && (
        <p
          id={problemId}
          role="alert"
          className="panel absolute top-full right-0 mt-1 w-max px-2 py-1 text-xs text-danger"
        >
          {problem}
        </p>
      )}
    </form>
  );
}
