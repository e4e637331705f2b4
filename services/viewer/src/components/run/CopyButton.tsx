/** Copies a text, and says so; where the browser refuses, it says how to do it by hand. */

import { useState } from "react";

export function CopyButton({ text, title = "Copy" }: { text: string; title?: string }) {
  const [outcome, setOutcome] = useState<string | null>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setOutcome("Copied");
    } catch {
      setOutcome("The browser refused: select it and copy");
    }
  };
  return (
    <span className="inline-flex items-center gap-2">
      <button
        type="button"
        className="control whitespace-nowrap"
        onClick={() => {
          void copy();
        }}
      >
        {title}
      </button>
      <span role="status" className="text-xs text-muted">
        {outcome}
      </span>
    </span>
  );
}
