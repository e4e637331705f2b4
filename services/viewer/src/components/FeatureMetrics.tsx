/** The metrics of one feature; each one is a link that ranks the features by it. */

import { Link } from "wouter";

import { useTooltip } from "../hooks/useTooltip";
import { formatMetric, metricTitle } from "../lib/format";
import { featurePath, type ViewState } from "../lib/viewState";

type Props = {
  featureId: number;
  values: Record<string, number>;
  descriptions: Record<string, string>;
  current: string | null;
  state: ViewState;
};

export function FeatureMetrics({ featureId, values, descriptions, current, state }: Props) {
  return (
    <section aria-label="Metrics">
      <h2 className="mb-1 font-semibold">Rank by</h2>
      <ul>
        {Object.entries(values).map(([name, value]) => (
          <li key={name}>
            <Metric
              name={name}
              value={value}
              description={descriptions[name] ?? ""}
              href={featurePath(featureId, { ...state, metric: name, sort: null })}
              isCurrent={name === current}
            />
          </li>
        ))}
      </ul>
    </section>
  );
}

type MetricProps = { name: string; value: number; description: string; href: string; isCurrent: boolean };

function Metric({ name, value, description, href, isCurrent }: MetricProps) {
  const { target, tooltip } = useTooltip(description);
  return (
    <>
      <Link
        href={href}
        replace
        aria-current={isCurrent ? "true" : undefined}
        className={`-mx-2 flex justify-between gap-4 rounded px-2 py-0.5 hover:bg-sunken ${isCurrent ? "bg-sunken" : "text-muted"}`}
        {...target}
      >
        <span>{metricTitle(name)}</span>
        <span className="font-medium text-ink tabular-nums">{formatMetric(name, value)}</span>
      </Link>
      {description !== "" && tooltip}
    </>
  );
}
