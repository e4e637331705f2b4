/** The feature as JSON, which tools made for OpenAI's SAE viewer can read: to copy, or at its address. */

import { useState } from "react";

import { featureInfoUrl } from "../../api";
import type { FeatureInfo } from "../../apiTypes";

const NOT_COPIED = "This browser doesn’t let the page copy here; open the JSON and copy it there.";

export function FeatureJson({ info }: { info: FeatureInfo }) {
  const [result, setResult] = useState<string | null>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(JSON.stringify(info));
      setResult("Copied.");
    } catch {
      setResult(NOT_COPIED); // refused, or there is no clipboard: browsers have one on localhost and with https only
    }
  };
  return (
    <span className="flex flex-wrap items-center gap-x-2">
      <a href={featureInfoUrl(info.feature_id, info.run)} className="text-accent hover:underline">
        OpenAI-compatible JSON
      </a>
      <button type="button" className="control text-ink" onClick={() => void copy()}>
        Copy
        <span className="sr-only"> the JSON</span>
      </button>
      <span role="status" className="text-xs">
        {result}
      </span>
    </span>
  );
}
