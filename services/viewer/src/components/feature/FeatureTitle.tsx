/** What a feature is called: its label where it has one, else its number. */

import { useLabel } from "../../labelQueries";
import { LabelText } from "../labels/LabelText";

export function FeatureTitle({ featureId, label }: { featureId: number; label: string | null }) {
  return (
    <h1 className="min-w-0 text-xl font-semibold tracking-tight wrap-anywhere tabular-nums">
      {label === null ? (
        `Feature ${featureId}`
      ) : (
        <>
          <span data-testid="label">
            <LabelText text={label} whole />
          </span>{" "}
          <span className="text-sm font-normal text-muted">feature {featureId}</span>
        </>
      )}
    </h1>
  );
}

/** The same, with what the run's labels say. */
export function LabelledTitle({ featureId, run }: { featureId: number; run: string }) {
  return <FeatureTitle featureId={featureId} label={useLabel(featureId, run)?.label ?? null} />;
}
