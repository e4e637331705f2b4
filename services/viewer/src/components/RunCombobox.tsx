/** Chooses one of many runs: a field in which part of a run's name, dataset, time or model is typed, and what has it. */

import { type KeyboardEvent, type ReactNode, useEffect, useId, useState } from "react";

import type { Run } from "../apiTypes";
import { useListbox } from "../hooks/useListbox";
import { formatPlural } from "../lib/format";
import { runsFound } from "../lib/runSearch";
import { hookPoint, runSubject } from "../lib/runStatus";
import { visibleName } from "../lib/runTitle";

const MOST_SHOWN = 60;
const NEWEST = "-newest"; // no run's id begins so

type Props = {
  runs: Run[];
  titles: ReadonlyMap<string, string>;
  /** Null: the newest. */
  run: string | null;
  /** What is said of the run that is shown. */
  shown: string;
  newest: string;
  onChoose: (run: string | null) => void;
};

export function RunCombobox({ runs, titles, run, shown, newest, onChoose }: Props) {
  const id = useId();
  const [text, setText] = useState<string | null>(null); // null: closed
  const isOpen = text !== null;
  const found = isOpen ? runsFound(runs, titles, text) : [];
  const options = found.slice(0, MOST_SHOWN).map((one) => ({ key: one.id, title: titles.get(one.id) ?? "", run: one }));
  const keys = [...(text === "" ? [NEWEST] : []), ...options.map(({ key }) => key)];
  const close = () => {
    setText(null);
    listbox.reset();
  };
  const listbox = useListbox({
    keys,
    initial: run,
    onChoose: (key) => {
      close();
      onChoose(key === NEWEST ? null : key);
    },
    onClose: close,
  });
  const activeId = isOpen && listbox.active !== null ? `${id}-${listbox.active}` : undefined;
  useEffect(() => {
    if (activeId !== undefined) document.getElementById(activeId)?.scrollIntoView({ block: "nearest" });
  }, [activeId]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (isOpen) listbox.onKeyDown(event);
    else if (event.key === "ArrowDown" || event.key === "Enter") {
      event.preventDefault();
      setText("");
    }
  };
  return (
    <div
      className="relative min-w-0 grow sm:w-80"
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) close();
      }}
    >
      <input
        className="control w-full truncate"
        type="text"
        role="combobox"
        aria-label="Run"
        aria-expanded={isOpen}
        aria-controls={isOpen ? `${id}-list` : undefined}
        aria-autocomplete="list"
        aria-activedescendant={activeId}
        aria-describedby={isOpen ? `${id}-status` : undefined}
        autoComplete="off"
        spellCheck={false}
        title={shown}
        placeholder={shown}
        value={text ?? shown}
        onFocus={(event) => {
          event.target.select(); // what is typed replaces the title
        }}
        onClick={() => {
          setText((open) => open ?? "");
        }}
        onChange={(event) => {
          setText(event.target.value);
          listbox.reset();
        }}
        onKeyDown={onKeyDown}
      />
      {isOpen && (
        <div className="panel absolute top-full right-0 z-30 mt-1 max-h-[70vh] w-full overflow-x-clip overflow-y-auto shadow-lg sm:w-[32rem] sm:max-w-[80vw]">
          <div role="listbox" id={`${id}-list`} aria-label="Runs">
            {text === "" && (
              <Option id={`${id}-${NEWEST}`} name={NEWEST} listbox={listbox} isChosen={run === null}>
                {newest} (newest)
              </Option>
            )}
            {options.map(({ key, title, run: one }) => (
              <Option key={key} id={`${id}-${key}`} name={key} listbox={listbox} isChosen={key === run}>
                {title}
                <span className="block truncate text-xs text-muted">
                  {visibleName(runSubject(one).model)}, {hookPoint(one)}
                </span>
              </Option>
            ))}
          </div>
          <p role="status" id={`${id}-status`} className="px-3 py-1.5 text-xs text-muted">
            {statusOf(found.length)}
          </p>
        </div>
      )}
    </div>
  );
}

type OptionProps = {
  id: string;
  name: string;
  listbox: ReturnType<typeof useListbox>;
  isChosen: boolean;
  children: ReactNode;
};

function Option({ id, name, listbox, isChosen, children }: OptionProps) {
  return (
    <div
      id={id}
      role="option"
      aria-selected={name === listbox.active}
      className={`cursor-pointer truncate px-3 py-1 aria-selected:bg-sunken aria-selected:outline-2 aria-selected:-outline-offset-2 aria-selected:outline-accent ${isChosen ? "font-semibold" : ""}`}
      onMouseMove={() => {
        listbox.moveTo(name);
      }}
      // the focus stays in the field
      onMouseDown={(event) => {
        event.preventDefault();
      }}
      onClick={() => {
        listbox.choose(name);
      }}
    >
      {children}
      {isChosen && <span className="sr-only">, shown now</span>}
    </div>
  );
}

function statusOf(count: number): string {
  if (count === 0) return "No run has this in its name, dataset, time, model or autoencoder.";
  const hidden = count - MOST_SHOWN;
  return hidden > 0
    ? `${formatPlural(hidden, "more run")}: type part of a name, dataset, time or model`
    : `${formatPlural(count, "run")}; ↑ ↓ to choose, Enter to show`;
}
