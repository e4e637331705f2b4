/** What changing a feature does, as numbers with their definitions. */

import type { Effect } from "../../apiTypes";
import { formatNumber } from "../../lib/format";
import { TermWithDefinition } from "../TermWithDefinition";

export function FeatureEffects({ effects }: { effects: Effect[] }) {
  if (effects.length === 0) return null;
  return (
    <section aria-labelledby="effects">
      <h2 id="effects" className="mb-1 font-semibold">
        Effects
      </h2>
      <dl>
        {effects.map(({ name, description, value }) => (
          <div key={name} className="flex justify-between gap-4 py-0.5">
            <dt className="text-muted">
              <TermWithDefinition definition={description}>{name}</TermWithDefinition>
            </dt>
            <dd className="font-medium tabular-nums">{formatNumber(value)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
