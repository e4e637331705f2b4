/** How far an answer is, as a bar and in words. */

import type { PartProgress } from "../../apiTypes";

export function AskProgress({ progress }: { progress: PartProgress | null }) {
  const { done, of, what } = progress ?? { done: 0, of: 0, what: "Asking the model…" };
  const isKnown = of > 0;
  return (
    <div className="max-w-md space-y-1">
      <div
        role="progressbar"
        aria-label="The answer"
        aria-valuemin={0}
        {...(isKnown && { "aria-valuenow": done, "aria-valuemax": of })}
        aria-valuetext={isKnown ? `${what}: ${done} of ${of}` : what}
        className="h-1.5 overflow-hidden rounded-full bg-line"
      >
        <div
          className={`h-full rounded-full bg-accent ${isKnown ? "" : "w-1/3 animate-pulse motion-reduce:animate-none"}`}
          style={isKnown ? { width: `${(100 * Math.min(done, of)) / of}%` } : undefined}
        />
      </div>
      <p role="status" className="text-xs text-muted tabular-nums">
        {what}
        {isKnown && `, ${done} of ${of}`}
      </p>
    </div>
  );
}
