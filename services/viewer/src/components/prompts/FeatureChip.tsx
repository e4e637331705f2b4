/** A feature that fired in a row, with the token it fired on most strongly; leads to the feature. */

import { Link } from "wouter";

import type { RowFeature } from "../../apiTypes";
import { formatActivation } from "../../lib/format";
import { DEFAULT_STATE, featurePath } from "../../lib/viewState";
import { TokenChip } from "../TokenChips";

export function FeatureChip({ feature, run }: { feature: RowFeature; run: string | null }) {
  const { feature_id: id, activation, token_str: token } = feature;
  return (
    <Link
      href={featurePath(id, { ...DEFAULT_STATE, run })}
      title={`Feature ${id}, activation ${formatActivation(activation)}`}
      className="inline-flex max-w-full items-center gap-1 rounded-sm text-xs text-accent tabular-nums hover:underline"
    >
      {id} <TokenChip token={token} />
    </Link>
  );
}
