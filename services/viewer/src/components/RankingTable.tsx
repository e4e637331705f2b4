/** One page of ranked features; each row leads to its feature, each column's head ranks by it. */

import { Link } from "wouter";

import type { Ranking } from "../apiTypes";
import { useRowKeys } from "../hooks/useRowKeys";
import { formatNumber, metricTitle } from "../lib/format";
import { featurePath, featuresPath, type ViewState } from "../lib/viewState";

type Props = {
  ranking: Ranking;
  state: ViewState;
  /** The largest value of the whole ranking, which fills the bar. */
  largest: number;
};

export function RankingTable({ ranking, state, largest }: Props) {
  const { body, onKeyDown } = useRowKeys();
  const others = ranking.metrics_available.filter((name) => name !== ranking.metric);

  return (
    <div className="panel overflow-x-auto">
      <table className="w-full text-right tabular-nums" onKeyDown={onKeyDown}>
        <thead className="text-xs text-muted">
          <tr className="border-b border-line [&>th]:px-3 [&>th]:py-1.5 [&>th]:font-normal">
            <th scope="col">rank</th>
            <th scope="col">feature</th>
            <th
              scope="col"
              className="w-full text-left text-ink"
              aria-sort={state.order === "desc" ? "descending" : "ascending"}
            >
              {metricTitle(ranking.metric)} {state.order === "desc" ? "↓" : "↑"}
            </th>
            {others.map((name) => (
              <th
                key={name}
                scope="col"
                className="hidden whitespace-nowrap lg:table-cell"
                title={ranking.metric_descriptions[name]}
              >
                <Link
                  href={featuresPath({ ...state, metric: name, offset: 0 })}
                  className="hover:text-ink hover:underline"
                >
                  {metricTitle(name)}
                </Link>
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {ranking.features.map((feature, position) => (
            <tr
              key={feature.feature_id}
              className="relative border-b border-line last:border-0 focus-within:bg-sunken hover:bg-sunken [&>td]:px-3 [&>td]:py-[3px]"
            >
              <td className="text-faint">{ranking.offset + position + 1}</td>
              <td>
                <Link
                  href={featurePath(feature.feature_id, state)}
                  className="font-medium text-accent after:absolute after:inset-0"
                >
                  {feature.feature_id}
                </Link>
              </td>
              <td>
                <span className="flex items-center gap-3">
                  <span className="w-20 shrink-0 font-medium">{formatNumber(feature.value)}</span>
                  <Bar share={largest > 0 ? feature.value / largest : 0} />
                </span>
              </td>
              {others.map((name) => (
                <td key={name} className="hidden text-muted lg:table-cell">
                  {formatNumber(feature.metrics[name] ?? NaN)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Bar({ share }: { share: number }) {
  const width = `${100 * Math.min(1, Math.max(0, share))}%`;
  return (
    <span className="h-1.5 min-w-16 grow" aria-hidden="true">
      <span className="block h-full min-w-px rounded-r-xs bg-bar" style={{ width }} />
    </span>
  );
}
