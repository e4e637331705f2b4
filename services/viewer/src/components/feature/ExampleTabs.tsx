/** The examples of a feature, four ways to choose them, and how they are drawn. */

import { type KeyboardEvent, type ReactNode, useId, useRef } from "react";

import type { ExampleKind } from "../../lib/viewState";

export type Tab = { kind: ExampleKind; title: string; note: string };

type Props = {
  tabs: Tab[];
  shown: ExampleKind;
  onShow: (kind: ExampleKind) => void;
  /** Beside the tabs. */
  options: ReactNode;
  children: ReactNode;
};

export function ExampleTabs({ tabs, shown, onShow, options, children }: Props) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const current = tabs.find(({ kind }) => kind === shown);

  const onKeyDown = (event: KeyboardEvent) => {
    const place = tabs.findIndex(({ kind }) => kind === shown);
    const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault(); // also keeps the page from going to the next feature
    const tab = tabs[(next + tabs.length) % tabs.length];
    if (tab === undefined) return;
    onShow(tab.kind);
    list.current?.querySelector<HTMLElement>(`[data-kind="${tab.kind}"]`)?.focus();
  };

  return (
    <div className="min-w-0">
      <div className="mb-1.5 flex flex-wrap items-baseline gap-x-4 gap-y-1">
        <div ref={list} role="tablist" aria-label="Examples" className="no-print flex flex-wrap" onKeyDown={onKeyDown}>
          {tabs.map(({ kind, title }) => (
            <button
              key={kind}
              type="button"
              role="tab"
              id={`${id}-${kind}`}
              data-kind={kind}
              aria-selected={kind === shown}
              aria-controls={`${id}-panel`}
              tabIndex={kind === shown ? 0 : -1}
              className={`rounded px-2.5 py-0.5 ${kind === shown ? "bg-sunken font-semibold" : "text-muted hover:text-ink"}`}
              onClick={() => {
                onShow(kind);
              }}
            >
              {title}
            </button>
          ))}
        </div>
        <span className="text-xs text-muted">{current?.note}</span>
        <div className="no-print ml-auto flex flex-wrap gap-x-4 text-xs text-muted">{options}</div>
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${shown}`}>
        {children}
      </div>
    </div>
  );
}
