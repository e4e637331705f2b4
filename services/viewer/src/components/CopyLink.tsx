/** Copies the address of what is shown, with its run, so that it shows the same after further runs. */

import { useState } from "react";

import { pinned } from "../lib/embedded";

const NOT_COPIED = "This browser doesn’t let the page copy here; take the address from here:";

export function CopyLink({ run }: { run: string | null }) {
  const [result, setResult] = useState<string | null>(null);
  const copy = async () => {
    const address = pinned(window.location.href, run);
    try {
      await navigator.clipboard.writeText(address);
      setResult("Copied.");
    } catch {
      setResult(`${NOT_COPIED} ${address}`); // browsers have a clipboard on localhost and with https only
    }
  };
  return (
    <span className="inline-flex flex-wrap items-center gap-x-2">
      <button type="button" className="text-accent hover:underline" onClick={() => void copy()}>
        Copy link
      </button>
      <span role="status" className="text-xs break-all text-muted">
        {result}
      </span>
    </span>
  );
}
