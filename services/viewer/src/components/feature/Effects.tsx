/** What changing a feature does, as numbers with their definitions. */

import type { Effect } from "../../apiTypes";
import { formatNumber } from "../../lib/format";
import { Term } from "../Term";

export function Effects({ effects }: { effects: Effect[] }) {
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
              <Term definition={description}>{name}</Term>
            </dt>
            <dd className="font-medium tabular-nums">{formatNumber(value)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
