/** A feature in one of two runs: statistics and strongest texts. */

import { Link } from "wouter";

import type { FeatureInfo } from "../../apiTypes";
import { formatPlural } from "../../lib/format";
import { DEFAULT_STATE, featurePath } from "../../lib/viewState";
import { Examples } from "../Examples";
import { FeatureStatistics } from "../FeatureStatistics";

type Props = {
  side: "a" | "b";
  info: FeatureInfo;
  /** The largest activation in either run, so that a colour means the same in both. */
  maximum: number;
  all: boolean;
  onAll: (all: boolean) => void;
};

export function ComparedFeature({ side, info, maximum, all, onAll }: Props) {
  const { run, feature_id: id } = info;
  return (
    <div className="min-w-0 space-y-4">
      <p className="break-all">
        <span className="font-semibold">Run {side}</span>{" "}
        <Link
          href={featurePath(id, { ...DEFAULT_STATE, run })}
          className="font-mono text-xs text-accent hover:underline"
        >
          {run}
        </Link>
      </p>
      <div className="panel px-4 py-3">
        <FeatureStatistics info={info} title={`Statistics in ${side}`} />
      </div>
      {info.num_active_tokens === 0 ? (
        <p className="text-muted">It was inactive at all {formatPlural(info.num_tokens, "token")} of this run.</p>
      ) : (
        <Examples
          title={`Top activations in ${side}`}
          note="the strongest, each from a different text"
          sequences={info.top}
          run={run}
          maximum={maximum}
          breakLines={false}
          all={all}
          onAll={onAll}
        />
      )}
    </div>
  );
}
