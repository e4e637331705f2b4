/** One field that finds features by number, label and token, and rows by phrase; "/" and Ctrl K put the cursor in it. */

import { useId, useRef, useState } from "react";
import { useLocation } from "wouter";

import { useListbox } from "../../hooks/useListbox";
import { useKeyDown, useShortcuts } from "../../hooks/useShortcuts";
import { useLabels } from "../../labelQueries";
import { formatPlural } from "../../lib/format";
import { type TargetGroup, targetsOf, typedNumber } from "../../lib/search";
import type { ViewState } from "../../lib/viewState";
import { useSearchAnswers } from "../../searchQueries";
import { SearchTarget } from "./SearchTarget";

type Props = {
  state: ViewState;
  /** Null: not known yet. */
  numFeatures: number | null;
};

export function HeaderSearch({ state, numFeatures }: Props) {
  const [text, setText] = useState("");
  const [isOpen, setOpen] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  const [, navigate] = useLocation();
  const labels = useLabels(state.run).data?.byId.values() ?? [];
  const answers = useSearchAnswers(isOpen ? text : "", state.run);
  const groups = targetsOf({ text, state, numFeatures, labels, ...answers });
  const targets = groups.flatMap((group) => group.targets);

  const listbox = useListbox({
    keys: targets.map(({ key }) => key),
    onChoose: (key) => {
      const target = targets.find((one) => one.key === key);
      if (target === undefined) return;
      close();
      setText("");
      field.current?.blur();
      navigate(target.href);
    },
    onClose: () => {
      if (isOpen) close();
      else setText("");
    },
  });
  const close = () => {
    setOpen(false);
    listbox.reset();
  };
  const focusField = () => {
    field.current?.focus();
    field.current?.select();
  };
  useShortcuts({ "/": focusField });
  useCommandKey(focusField);

  const isShown = isOpen && text.trim() !== "";
  const status = statusOf(text, targets.length, numFeatures, answers);
  return (
    <div
      className="relative min-w-0 grow sm:max-w-96 sm:min-w-52"
      onBlur={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget)) close();
      }}
    >
      <input
        ref={field}
        className="control w-full"
        type="text"
        role="combobox"
        aria-label="Search"
        aria-expanded={isShown}
        aria-controls={isShown ? `${id}-list` : undefined}
        aria-autocomplete="list"
        aria-activedescendant={isShown && listbox.active !== null ? `${id}-${listbox.active}` : undefined}
        aria-describedby={isShown ? `${id}-status` : undefined}
        autoComplete="off"
        spellCheck={false}
        placeholder="feature, token, phrase or label"
        title="Search (shortcuts: / and Ctrl K)"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setOpen(true);
          listbox.reset();
        }}
        onFocus={() => {
          setOpen(true);
        }}
        onKeyDown={listbox.onKeyDown}
      />
      {isShown && (
        <div className="panel absolute inset-x-0 top-full z-30 mt-1 max-h-[70vh] overflow-x-clip overflow-y-auto shadow-lg sm:right-auto sm:w-[34rem] sm:max-w-[70vw]">
          <div role="listbox" id={`${id}-list`} aria-label="What was found">
            {groups.map((group) => (
              <Group key={group.title} group={group} id={id} run={state.run} listbox={listbox} />
            ))}
          </div>
          <p role="status" id={`${id}-status`} className="px-3 py-1.5 text-xs text-muted">
            {status}
          </p>
        </div>
      )}
    </div>
  );
}

type GroupProps = { group: TargetGroup; id: string; run: string | null; listbox: ReturnType<typeof useListbox> };

function Group({ group, id, run, listbox }: GroupProps) {
  return (
    <div role="group" aria-label={group.title} className="border-b border-line py-1">
      <div aria-hidden="true" className="px-3 pt-0.5 text-xs text-muted">
        {group.title}
      </div>
      {group.targets.map((target) => (
        <div
          key={target.key}
          id={`${id}-${target.key}`}
          role="option"
          aria-selected={target.key === listbox.active}
          className="cursor-pointer truncate px-3 py-1 aria-selected:bg-sunken aria-selected:outline-2 aria-selected:-outline-offset-2 aria-selected:outline-accent"
          onMouseMove={() => {
            listbox.moveTo(target.key);
          }}
          // the focus stays in the field
          onMouseDown={(event) => {
            event.preventDefault();
          }}
          onClick={() => {
            listbox.choose(target.key);
          }}
        >
          <SearchTarget target={target} run={run} />
        </div>
      ))}
    </div>
  );
}

function statusOf(
  text: string,
  numTargets: number,
  numFeatures: number | null,
  { isWaiting, error }: { isWaiting: boolean; error: Error | null },
): string {
  const number = typedNumber(text);
  if (number !== null && numFeatures !== null && number >= numFeatures) {
    return `Features are numbered 0 to ${numFeatures - 1}.`;
  }
  if (error !== null) return `Some could not be looked for: ${error.message}`;
  if (isWaiting) return "Looking…";
  if (numTargets === 0) return "No feature fires on a token with this, no row has it, and no label.";
  return `${formatPlural(numTargets, "result")}; ↑ ↓ to choose, Enter to open`;
}

/** Ctrl K, or ⌘ K, anywhere on the page, also while somebody types. */
function useCommandKey(action: () => void): void {
  useKeyDown((event) => {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    if (document.querySelector("dialog[open]") !== null) return;
    event.preventDefault();
    action();
  });
}
