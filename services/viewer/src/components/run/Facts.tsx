/** Names with values, as a list of terms; a null value means that there is nothing to say. */

import type { ReactNode } from "react";

export type Fact = [name: string, value: ReactNode];

export function Facts({ facts }: { facts: Fact[] }) {
  return (
    <dl className="grid grid-cols-[max-content_minmax(0,1fr)] gap-x-4 gap-y-1 max-sm:grid-cols-1">
      {facts
        .filter(([, value]) => value !== null)
        .map(([name, value]) => (
          <div key={name} className="col-span-2 grid grid-cols-subgrid max-sm:col-span-1 max-sm:block">
            <dt className="text-muted">{name}</dt>
            <dd className="break-all tabular-nums">{value}</dd>
          </div>
        ))}
    </dl>
  );
}

export function Panel({ id, title, children }: { id: string; title: string; children: ReactNode }) {
  return (
    <section aria-labelledby={id} className="min-w-0">
      <h2 id={id} className="mb-1.5 font-semibold">
        {title}
      </h2>
      <div className="panel space-y-3 px-4 py-3">{children}</div>
    </section>
  );
}
