/** How far the comparison is to be believed: the control beside it, and what else tells the sides apart. */

import { Link } from "wouter";

import type { Comparison } from "../../apiTypes";
import { controls, describeControl, otherDifferences } from "../../lib/compareNotes";
import { partsPath } from "../../lib/compareState";
import { ConfidenceIntervalNote } from "./ConfidenceIntervalNote";

export function CompareNotes({ comparison }: { comparison: Comparison }) {
  const others = otherDifferences(comparison);
  return (
    <div className="space-y-1">
      <Control comparison={comparison} />
      {others.length > 0 && (
        <ul aria-label="Other differences" className="space-y-1">
          {others.map((sentence) => (
            <li key={sentence} className="max-w-4xl break-words">
              {sentence}
            </li>
          ))}
        </ul>
      )}
      <details>
        <summary className="w-fit cursor-pointer text-xs text-accent">What the numbers are</summary>
        <ConfidenceIntervalNote confidence={comparison.confidence} unit={comparison.unit} />
      </details>
    </div>
  );
}

function Control({ comparison }: { comparison: Comparison }) {
  const found = controls(comparison);
  if (found.length === 0) {
    return (
      <p className="max-w-4xl">
        There is no control: a run of an earlier version kept no sums over texts. Run it again to see how many features
        differ for sure.
      </p>
    );
  }
  const isOne = found.length === 1;
  return (
    <p className="max-w-4xl tabular-nums">
      <span className="font-semibold">Control</span> — random halves of one run, where nothing differs in truth:{" "}
      {found.map((control, position) => (
        <span key={control.run}>
          {position > 0 && ", "}
          <Link href={partsPath(control.run, "half:0", "half:1")} className="text-accent underline">
            {describeControl(control)}
          </Link>
          {isOne ? "" : ` in ${position === 0 ? "A" : "B"}’s run`}
        </span>
      ))}{" "}
      features seem to differ.
    </p>
  );
}
