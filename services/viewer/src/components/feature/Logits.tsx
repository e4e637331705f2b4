/** The tokens that a feature makes likelier to come next, and those that it makes less likely. */

import type { LogitEffects, TokenWeight } from "../../apiTypes";
import { formatNumber } from "../../lib/format";
import { TokenChip } from "../TokenChips";

export function Logits({ logits }: { logits: LogitEffects }) {
  return (
    <section aria-labelledby="logits" className="panel px-4 py-3">
      <div className="mb-1.5 flex flex-wrap items-baseline gap-x-3">
        <h2 id="logits" className="font-semibold">
          Logits
        </h2>
        <span className="text-xs text-muted">
          what the feature’s decoder direction adds to the logit of each next token, by the weights alone
        </span>
      </div>
      <div className="grid gap-x-6 gap-y-3 md:grid-cols-2">
        <Weights title="Promoted" tokens={logits.promoted} />
        <Weights title="Suppressed" tokens={logits.suppressed} />
      </div>
    </section>
  );
}

function Weights({ title, tokens }: { title: string; tokens: TokenWeight[] }) {
  return (
    <div>
      <h3 className="mb-1 text-xs text-muted">{title}</h3>
      <ol aria-label={title} className="flex flex-wrap gap-x-3 gap-y-1">
        {tokens.map(({ token_id: id, token, value }) => (
          <li key={id} className="flex items-baseline gap-1">
            <TokenChip token={token} />
            <span className="text-xs tabular-nums">{formatNumber(value)}</span>
          </li>
        ))}
      </ol>
    </div>
  );
}
