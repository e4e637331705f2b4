/** A feature's statistics, each with its definition, as OpenAI's viewer defines them. */

import type { FeatureInfo } from "../apiTypes";
import { formatCount, formatNumber, formatShare } from "../lib/format";
import { TermWithDefinition } from "./TermWithDefinition";

const ALL_TOKENS = "over all counted tokens, zeros included";

const STATISTICS: { name: string; definition: string; value: (info: FeatureInfo) => string }[] = [
  {
    name: "density",
    definition: "Share of the counted tokens at which the feature was active: E[a > 0].",
    value: (info) => formatShare(info.density),
  },
  {
    name: "active tokens",
    definition: "Number of counted tokens at which the feature was active: a > 0.",
    value: (info) => formatCount(info.num_active_tokens),
  },
  {
    name: "mean activation",
    definition: `E[a], the mean activation ${ALL_TOKENS}.`,
    value: (info) => formatNumber(info.mean_act),
  },
  {
    name: "mean squared",
    definition: `E[a²], the mean squared activation ${ALL_TOKENS}.`,
    value: (info) => formatNumber(info.mean_act_squared),
  },
  {
    name: "variance",
    definition: "E[a²] − E[a]², over all counted tokens, zeros included: around the mean.",
    value: (info) => formatNumber(info.mean_act_squared - info.mean_act ** 2),
  },
  {
    name: "maximum",
    definition: "The largest activation at any counted token; it gets the full colour in the texts below.",
    value: (info) => formatNumber(info.max_act),
  },
  {
    name: "skew (0-centred)",
    definition: `E[a³] / E[a²]^1.5 ${ALL_TOKENS}: moments around 0, not around the mean.`,
    value: (info) => formatNumber(info.skew),
  },
  {
    name: "kurtosis (0-centred)",
    definition: `E[a⁴] / E[a²]² ${ALL_TOKENS}: moments around 0, not around the mean.`,
    value: (info) => formatNumber(info.kurtosis),
  },
];

export function FeatureStatistics({ info, title = "Statistics" }: { info: FeatureInfo; title?: string }) {
  return (
    <section aria-label={title}>
      <h2 className="mb-1 font-semibold">{title}</h2>
      <dl>
        {STATISTICS.map(({ name, definition, value }) => (
          <div key={name} className="flex justify-between gap-4 py-0.5">
            <dt className="text-muted">
              <TermWithDefinition definition={definition}>{name}</TermWithDefinition>
            </dt>
            <dd className="font-medium tabular-nums">{value(info)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
