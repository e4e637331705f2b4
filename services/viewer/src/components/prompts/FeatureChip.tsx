/** A feature that fired in a row, coloured by the share of its own strongest; leads to the feature. */

import type { CSSProperties } from "react";
import { Link } from "wouter";

import type { RowFeature } from "../../apiTypes";
import { formatActivation } from "../../lib/format";
import { shareOf } from "../../lib/rowFeatures";
import { heat } from "../../lib/tokens";
import { DEFAULT_STATE, featurePath } from "../../lib/viewState";
import { TokenChip } from "../TokenChips";

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
      style={{ "--heat": heat(share, 1).toFixed(3) } as CSSProperties}
      className="token inline-flex max-w-full items-center gap-1 px-1 text-xs tabular-nums hover:underline"
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
