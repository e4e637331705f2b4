/** All features that fire at a token of a text, the strongest of its own first. */

import { Link } from "wouter";

import { describeStrength, type FiringAt, shareAt } from "../../lib/encodedRows";
import { formatActivation, formatPlural } from "../../lib/format";
import { DEFAULT_STATE, featurePath } from "../../lib/viewState";
import { FeatureName } from "../labels/FeatureName";

type Props = { firings: readonly FiringAt[]; token: number; run: string | null };

export function TokenFeatures({ firings, token, run }: Props) {
  if (firings.length === 0) return <p className="text-muted">No feature fires here.</p>;
  return (
    <>
      <p className="text-xs text-muted">{formatPlural(firings.length, "feature")} here, all that fire:</p>
      <ul
        className="mt-1 max-h-[60vh] overflow-y-auto tabular-nums"
        tabIndex={0}
        role="list"
        aria-label="Features here"
      >
        {firings.map(({ feature, value }) => (
          <li key={feature.feature_id} className="py-0.5">
            <span className="flex justify-between gap-x-4">
              <Link
                href={featurePath(feature.feature_id, { ...DEFAULT_STATE, run })}
                className="min-w-0 truncate text-accent hover:underline"
              >
                <FeatureName id={feature.feature_id} run={run} token={feature.tokens[0]?.token} />
              </Link>
              <span className="font-medium">{formatActivation(value)}</span>
            </span>
            <span className="block text-xs text-muted">
              {Math.round(shareAt(feature, value) * 100)} % of its strongest
              {feature.largest_at === token && `; its largest here, ${describeStrength(feature)}`}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
