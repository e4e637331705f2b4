/** A feature on one side of a comparison: its strongest texts. */

import { Link } from "wouter";

import type { FeatureInfo } from "../../apiTypes";
import type { Side } from "../../lib/compareSides";
import { formatPlural } from "../../lib/format";
import { DEFAULT_STATE, featurePath } from "../../lib/viewState";
import { Examples } from "../Examples";
import { SideName } from "./SideBadge";

type Props = {
  /** Null: the run that both sides are parts of. */
  side: Side | null;
  name: string;
  info: FeatureInfo;
  /** The largest activation in either run, so that a colour means the same in both. */
  maximum: number;
  all: boolean;
  onAll: (all: boolean) => void;
};

export function ComparedFeature({ side, name, info, maximum, all, onAll }: Props) {
  const { run, feature_id: id } = info;
  const where = side === null ? "in the whole run" : `in ${side.toUpperCase()}`;
  return (
    <div className="min-w-0 space-y-2">
      <div className="flex items-center gap-3">
        {side !== null && <SideName side={side} name={name} />}
        <Link
          href={featurePath(id, { ...DEFAULT_STATE, run })}
          className="whitespace-nowrap text-accent hover:underline"
          title={run}
        >
          All about it {where}
        </Link>
      </div>
      {info.num_active_tokens === 0 ? (
        <p className="text-muted">It was inactive at all {formatPlural(info.num_tokens, "token")} of this run.</p>
      ) : (
        <Examples
          title={`Top activations ${where}`}
          note={
            side === null
              ? "the strongest, each from a different text; the files don’t keep those of each part"
              : "the strongest, each from a different text"
          }
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
