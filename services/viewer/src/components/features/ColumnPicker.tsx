/** Chooses which metrics have a column of their own. */

import { useRef } from "react";

import { columnTitle } from "../../lib/featureColumns";

type Props = {
  /** In their order in the table. */
  metrics: string[];
  /** Null: all of them. */
  shown: string[] | null;
  onChange: (shown: string[] | null) => void;
};

export function ColumnPicker({ metrics, shown, onChange }: Props) {
  const menu = useRef<HTMLDetailsElement>(null);
  const isShown = (name: string) => shown?.includes(name) ?? true;
  const close = () => {
    if (menu.current !== null) menu.current.open = false;
  };
  const toggle = (toggled: string) => {
    const next = metrics.filter((name) => isShown(name) !== (name === toggled));
    onChange(next.length === metrics.length ? null : next);
  };
  return (
    <details
      ref={menu}
      className="relative max-sm:hidden"
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        close();
        menu.current?.querySelector("summary")?.focus();
      }}
      onBlur={(event) => {
        // a click on what can't have the focus, such as a label, isn't a way out
        if (event.relatedTarget !== null && !event.currentTarget.contains(event.relatedTarget)) close();
      }}
    >
      <summary className="control cursor-pointer">Columns</summary>
      <fieldset className="panel absolute right-0 z-20 mt-1 w-max px-3 py-2 shadow-lg">
        <legend className="sr-only">Metrics with a column</legend>
        {metrics.map((name) => (
          <label key={name} className="flex items-center gap-2 py-0.5">
            <input
              type="checkbox"
              className="accent-accent"
              checked={isShown(name)}
              onChange={() => {
                toggle(name);
              }}
            />
            {columnTitle(name)}
          </label>
        ))}
        <p className="mt-1 max-w-52 text-xs text-muted">
          Columns are left out from the right where the page is narrow.
        </p>
      </fieldset>
    </details>
  );
}
