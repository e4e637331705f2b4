/** Whether the autoencoder belongs where it was read: the verdict, why, and the figures behind it. */

import type { Run } from "../../apiTypes";
import { readSelfCheck } from "../../lib/selfCheck";
import { Panel } from "./Facts";

export function SelfCheck({ run }: { run: Run }) {
  const check = readSelfCheck(run.self_check);
  if (check === null) {
    if (run.num_tokens === 0) return null;
    return (
      <Panel id="self-check" title="Is it to be believed?">
        <p className="text-muted">
          There is no self-check: a run of an earlier version kept none, and one that is going has none yet.
        </p>
      </Panel>
    );
  }
  const isDoubtful = check.verdict === "doubtful";
  return (
    <Panel id="self-check" title="Is it to be believed?">
      <p>
        Self-check: <strong className={isDoubtful ? "text-danger" : ""}>{check.verdict}</strong>. {check.meaning}
      </p>
      {check.reasons.length > 0 && (
        <ul aria-label="Reasons" className="list-disc pl-5">
          {check.reasons.map((reason) => (
            <li key={reason} className="break-words">
              {reason}
            </li>
          ))}
        </ul>
      )}
      <dl className="grid gap-x-6 gap-y-1 sm:grid-cols-2">
        {check.figures.map(({ name, value, meaning }) => (
          <div key={name}>
            <dt className="inline font-medium">{name}</dt>{" "}
            <dd className="inline tabular-nums">
              {value} <span className="block text-xs text-muted">{meaning}</span>
            </dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}
