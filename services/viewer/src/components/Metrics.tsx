/** The metrics of one feature; each one is a link that ranks the features by it. */

import { Link } from "wouter";

import { formatNumber, metricTitle } from "../lib/format";
import { featurePath, type ViewState } from "../lib/viewState";

type Props = {
  featureId: number;
  values: Record<string, number>;
  descriptions: Record<string, string>;
  current: string | null;
  state: ViewState;
};

export function Metrics({ featureId, values, descriptions, current, state }: Props) {
  return (
    <section aria-label="Metrics">
      <h2 className="mb-1 font-semibold">Rank by</h2>
      <ul>
        {Object.entries(values).map(([name, value]) => (
          <li key={name} title={descriptions[name]}>
            <Link
              href={featurePath(featureId, { ...state, metric: name })}
              replace
              aria-current={name === current ? "true" : undefined}
              className={`-mx-2 flex justify-between gap-4 rounded px-2 py-0.5 hover:bg-sunken ${name === current ? "bg-sunken" : "text-muted"}`}
            >
              <span>{metricTitle(name)}</span>
              <span className="font-medium text-ink tabular-nums">{formatNumber(value)}</span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
