/** A feature that fired in a row, coloured by the share of its own strongest; leads to the feature. */

import { Link } from "wouter";

import type { RowFeature } from "../../apiTypes";
import { formatActivation } from "../../lib/format";
import { shareOf } from "../../lib/rowFeatures";
import { DEFAULT_STATE, featurePath } from "../../lib/viewState";
import { TokenChip } from "../TokenChips";

// Ten steps, and no value of its own in each of hundreds of chips: the browser styles those in half the time.
const HEATS = [
  "bg-heat/10",
  "bg-heat/20",
  "bg-heat/30",
  "bg-heat/40",
  "bg-heat/50",
  "bg-heat/60",
  "bg-heat/70",
  "bg-heat/80",
  "bg-heat/90",
  "bg-heat",
];

function heatOf(share: number): string {
  return HEATS[Math.max(0, Math.ceil(share * 10) - 1)] ?? "";
}

type Props = { feature: RowFeature; run: string | null; label: string | null; isTabStop: boolean };

export function FeatureChip({ feature, run, label, isTabStop }: Props) {
  const { feature_id: id, activation, token_str: token } = feature;
  const share = shareOf(feature);
  return (
    <Link
      href={featurePath(id, { ...DEFAULT_STATE, run })}
      title={`Feature ${id}, activation ${formatActivation(activation)}, ${Math.round(share * 100)} % of its strongest`}
      data-chip=""
      tabIndex={isTabStop ? 0 : -1}
      className={`inline-flex max-w-full items-center gap-1 rounded-xs px-1 text-xs tabular-nums hover:underline ${heatOf(share)}`}
    >
      {label === null ? (
        <>
          {id} <TokenChip token={token} />
        </>
      ) : (
        <bdi className="truncate">{label}</bdi>
      )}
    </Link>
  );
}
