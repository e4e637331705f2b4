/** A feature's figures on both sides, beside each other. */

import type { ComparedFeature, ComparedSide, Comparison, FeatureInfo } from "../../apiTypes";
import { type Side } from "../../lib/compareSides";
import { formatActivation, formatCount, formatNumber, formatShare } from "../../lib/format";
import { SideName } from "./SideBadge";

type Props = {
  comparison: Comparison;
  feature: ComparedFeature;
  names: Record<Side, string>;
  /** What is known of whole runs; null where a side is only a part of one. */
  infos: Record<Side, FeatureInfo> | null;
};

type Figure = { name: string; of: (side: Side) => string | null };

export function SideStatistics({ comparison, feature, names, infos }: Props) {
  const figures = figuresOf(comparison, feature, infos).filter(({ of }) => of("a") !== null && of("b") !== null);
  return (
    <table aria-label="Statistics" className="panel w-full text-left tabular-nums">
      <thead>
        <tr className="border-b border-line [&>th]:px-3 [&>th]:py-1.5">
          <td />
          {(["a", "b"] as const).map((side) => (
            <th key={side} scope="col" className="w-1/3 max-w-0">
              <SideName side={side} name={names[side]} />
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {figures.map(({ name, of }) => (
          <tr key={name} className="[&>*]:px-3 [&>*]:py-0.5">
            <th scope="row" className="font-normal text-muted">
              {name}
            </th>
            <td className="font-medium">{of("a")}</td>
            <td className="font-medium">{of("b")}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function figuresOf(
  comparison: Comparison,
  feature: ComparedFeature,
  infos: Record<Side, FeatureInfo> | null,
): Figure[] {
  const count = (value: (side: ComparedSide) => number | undefined) => (side: Side) => {
    const known = value(feature[side]);
    return known === undefined ? null : formatCount(known);
  };
  const info = (value: (info: FeatureInfo) => string) => (side: Side) => (infos === null ? null : value(infos[side]));
  return [
    { name: "density", of: (side) => formatShare(feature[side].density) },
    { name: "active tokens", of: count((side) => side.num_active_tokens) },
    { name: "of all tokens", of: (side) => formatCount(comparison[side].num_tokens) },
    { name: "texts in which it fires", of: count((side) => side.num_active_texts) },
    { name: "largest activation", of: info(({ max_act }) => formatActivation(max_act)) },
    {
      name: "mean when active",
      of: info(({ mean_act, density }) => (density === 0 ? "–" : formatNumber(mean_act / density))),
    },
  ];
}
