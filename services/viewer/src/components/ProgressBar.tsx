/** How far a run is, as a bar; while the number of rows isn't known, a bar without a value. */

import type { Progress } from "../apiTypes";
import { describeRows, shareDone } from "../lib/runStatus";

type Props = { progress: Progress; label: string; className?: string };

export function ProgressBar({ progress, label, className = "h-2" }: Props) {
  const share = shareDone(progress);
  const value =
    share === null
      ? {}
      : {
          "aria-valuenow": progress.num_records,
          "aria-valuemax": Math.max(progress.total_records ?? 0, progress.num_records),
        };
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuetext={describeRows(progress)}
      {...value}
      className={`overflow-hidden rounded-full bg-line ${className}`}
    >
      <div
        className={`h-full rounded-full bg-accent ${share === null ? "w-1/3 animate-pulse motion-reduce:animate-none" : "transition-[width] duration-500 motion-reduce:transition-none"}`}
        style={share === null ? undefined : { width: `${100 * share}%` }}
      />
    </div>
  );
}
