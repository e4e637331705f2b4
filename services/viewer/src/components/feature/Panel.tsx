/** A titled part of the column beside the examples. */

import { type ReactNode, useId } from "react";

type Props = { title: string; note?: ReactNode; children: ReactNode };

export function Panel({ title, note, children }: Props) {
  const id = useId();
  return (
    <section aria-labelledby={id} className="min-w-0">
      <div className="mb-1 flex flex-wrap items-baseline justify-between gap-x-3">
        <h2 id={id} className="font-semibold">
          {title}
        </h2>
        {note !== undefined && <span className="text-xs text-muted">{note}</span>}
      </div>
      {children}
    </section>
  );
}

/** Why a part of the page is missing; nothing where there is nothing to say. */
export function Missing({ title, why }: { title: string; why: string | undefined }) {
  if (why === undefined) return null;
  return (
    <Panel title={title}>
      <p className="text-xs break-words text-muted">{why}</p>
    </Panel>
  );
}
