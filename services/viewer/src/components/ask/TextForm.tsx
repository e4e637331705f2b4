/** A field for a text of one's own; Ctrl Enter, or ⌘ Enter, asks as the button does. */

import { type KeyboardEvent, type SubmitEvent, useId, useState } from "react";

import { formatCount } from "../../lib/format";
import { MOST_CHARACTERS } from "../../lib/tryState";

type Props = {
  text: string;
  /** What the field is called, and the button. */
  name: string;
  action: string;
  rows?: number;
  isAsking?: boolean;
  onAsk: (text: string) => void;
};

export function TextForm({ text, name, action, rows = 3, isAsking = false, onAsk }: Props) {
  const id = useId();
  const [draft, setDraft] = useState({ typed: text, of: text });
  if (draft.of !== text) setDraft({ typed: text, of: text }); // as by the browser's way back
  const { typed } = draft;
  const isTooLong = typed.length > MOST_CHARACTERS;
  const isEmpty = typed.trim() === "";
  const ask = () => {
    if (!isEmpty && !isTooLong) onAsk(typed);
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    ask();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    ask();
  };
  return (
    <form className="space-y-1.5" onSubmit={submit}>
      <label htmlFor={id} className="block text-xs text-muted">
        {name}
      </label>
      <textarea
        id={id}
        className="control block w-full max-w-[110ch] font-mono text-[0.8125rem]"
        rows={rows}
        dir="auto"
        spellCheck={false}
        aria-invalid={isTooLong}
        aria-describedby={isTooLong ? `${id}-problem` : undefined}
        value={typed}
        onChange={(event) => {
          setDraft({ typed: event.target.value, of: text });
        }}
        onKeyDown={onKeyDown}
      />
      {isTooLong && (
        <p id={`${id}-problem`} role="alert" className="text-danger">
          This has {formatCount(typed.length)} characters; {formatCount(MOST_CHARACTERS)} can be asked about at once.
        </p>
      )}
      <div className="flex flex-wrap items-center gap-x-3">
        <button type="submit" className="control font-medium" disabled={isEmpty || isTooLong || isAsking}>
          {action}
        </button>
        <span className="text-xs text-muted" role="status">
          {isAsking ? "Asking the model…" : ""}
        </span>
      </div>
    </form>
  );
}
