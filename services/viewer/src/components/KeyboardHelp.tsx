/** The keys of every page, in a dialog that "?" or the button opens. */

import { useId, useRef } from "react";

import { useShortcuts } from "../hooks/useShortcuts";
import { keyName, SHORTCUTS } from "../lib/shortcuts";

export function KeyboardHelp() {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const open = () => {
    dialog.current?.showModal();
  };
  useShortcuts({ "?": open });
  return (
    <>
      <button
        type="button"
        className="control min-w-[1.9rem]"
        aria-haspopup="dialog"
        aria-label="Keyboard shortcuts"
        title="Keyboard shortcuts (?)"
        onClick={open}
      >
        ?
      </button>
      <dialog
        ref={dialog}
        data-not-roving=""
        aria-labelledby={titleId}
        className="panel m-auto w-full max-w-lg text-ink backdrop:bg-black/40 open:flex open:flex-col"
        onClick={(event) => {
          // a click beside the dialog is one on the dialog itself, as its content fills it
          if (event.target === event.currentTarget) event.currentTarget.close();
        }}
      >
        <div className="space-y-3 px-4 py-3">
          <form method="dialog" className="flex items-center justify-between gap-4">
            <h2 id={titleId} className="font-semibold">
              Keyboard shortcuts
            </h2>
            <button className="control" autoFocus>
              Close
            </button>
          </form>
          {SHORTCUTS.map(({ where, shortcuts }) => (
            <section key={where} aria-label={where}>
              <h3 className="mb-1 text-xs text-muted">{where}</h3>
              <dl className="grid grid-cols-[minmax(7rem,max-content)_minmax(0,1fr)] gap-x-4 gap-y-1">
                {shortcuts.map(({ keys, does }) => (
                  <Keys key={does} keys={keys} does={does} />
                ))}
              </dl>
            </section>
          ))}
        </div>
      </dialog>
    </>
  );
}

function Keys({ keys, does }: { keys: readonly string[]; does: string }) {
  return (
    <div className="col-span-2 grid grid-cols-subgrid items-baseline">
      <dt className="flex flex-wrap gap-1">
        {keys.map((key) => (
          <kbd key={key} className="rounded border border-line bg-sunken px-1.5 text-xs leading-5">
            {keyName(key)}
          </kbd>
        ))}
      </dt>
      <dd>{does}</dd>
    </div>
  );
}
