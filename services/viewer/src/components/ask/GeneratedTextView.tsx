/** A text as a model goes on with it: the greyer a token, the less likely it was. */

import { surprise, type TokenInText } from "../../lib/steering";
import { goesOn, quoteToken } from "../../lib/tokens";
import { TokenPieces } from "../TokenPieces";
import { GOES_ON_NOTE } from "../TokenTooltip";
import { ValueText } from "../ValueText";

type Props = { title: string; prompt: string; tokens: readonly TokenInText[]; isComing: boolean };

export function GeneratedTextView({ title, prompt, tokens, isComing }: Props) {
  return (
    <section aria-label={title} aria-busy={isComing} className="panel min-w-0 px-4 py-3">
      <h4 className="mb-1 text-xs text-muted">{title}</h4>
      <p dir="auto" className="font-mono text-[0.8125rem] leading-6 break-words whitespace-pre-wrap text-muted">
        <TokenPieces token={prompt} breakLines />
      </p>
      {tokens.length > 0 && (
        <ValueText
          label={`The text goes on, ${title.toLowerCase()}`}
          tokens={tokens.map(({ token }) => token)}
          lookOf={(index) => ({ className: "surprise", heat: surprise(tokens[index]?.logProb ?? 0) })}
          tooltip={(index) => <TokenTip of={tokens[index]} />}
        />
      )}
      {isComing && (
        <span aria-hidden="true" className="inline-block h-4 w-2 animate-pulse bg-faint motion-reduce:animate-none" />
      )}
    </section>
  );
}

function TokenTip({ of }: { of: TokenInText | undefined }) {
  if (of === undefined) return null;
  return (
    <>
      <div className="font-mono break-all">{goesOn(of.token) ? GOES_ON_NOTE : quoteToken(of.token)}</div>
      <dl className="mt-0.5 grid grid-cols-[auto_auto] justify-start gap-x-3 tabular-nums">
        <dt className="opacity-70">when it was generated</dt>
        <dd>{formatLogProb(of.logProb)}</dd>
        {of.unsteered !== null && (
          <>
            <dt className="opacity-70">for the unsteered model</dt>
            <dd>{formatLogProb(of.unsteered)}</dd>
          </>
        )}
      </dl>
    </>
  );
}

/** "12.3 % (log −2.10)". */
function formatLogProb(value: number): string {
  const percent = 100 * Math.exp(value);
  return `${percent >= 0.1 ? percent.toFixed(1) : percent.toExponential(0)} % (log ${value.toFixed(2).replace("-", "−")})`;
}
