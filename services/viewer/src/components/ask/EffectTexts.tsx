/** Texts whose tokens are coloured by how the feature changes their prediction, and what it pushes at the one pointed at. */

import { useMemo, useState } from "react";

import { useTextLines } from "../../hooks/useTextLines";
import { type EffectKind, effectOn, type EffectText, scaleOf } from "../../lib/effects";
import { keyOf } from "../../lib/examples";
import { EffectLine } from "./EffectLine";
import { TokenEffectPanel } from "./TokenEffectPanel";

const SHOWN = 8;
const KINDS: [EffectKind, string][] = [
  ["loss", "change of the loss"],
  ["direct", "direct effect alone"],
  ["kl", "KL divergence"],
];

type Props = { texts: readonly EffectText[]; run: string };
type Pointed = { key: string; token: number };

export function EffectTexts({ texts, run }: Props) {
  const [kind, setKind] = useState<EffectKind>("loss");
  const [isAll, setAll] = useState(false);
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const lines = useTextLines<HTMLOListElement>();
  const scale = useMemo(() => scaleOf(texts, kind), [texts, kind]);
  const shown = isAll ? texts : texts.slice(0, SHOWN);
  const at = texts.find(({ text }) => keyOf(text) === pointed?.key);
  const effect = at === undefined || pointed === null ? null : effectOn(at.effects, pointed.token);
  return (
    <div className="space-y-2">
      <div className="flex flex-wrap items-baseline gap-x-5 gap-y-1 text-xs">
        <Legend kind={kind} />
        <label className="flex items-baseline gap-1.5 text-muted">
          colour by
          <select
            className="control text-ink"
            value={kind}
            onChange={(event) => {
              setKind(event.target.value as EffectKind);
            }}
          >
            {KINDS.map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div className="flex flex-col gap-3 lg:grid lg:grid-cols-[minmax(0,1fr)_24rem] lg:items-start lg:gap-x-6">
        <div className="min-w-0">
          <ol {...lines} aria-label="Examples with effects" className="panel divide-y divide-line">
            {shown.map((one) => {
              const key = keyOf(one.text);
              return (
                <EffectLine
                  key={key}
                  of={one}
                  kind={kind}
                  scale={scale}
                  run={run}
                  onPoint={(token) => {
                    setPointed({ key, token });
                  }}
                />
              );
            })}
          </ol>
          {texts.length > SHOWN && (
            <button
              type="button"
              className="control no-print mt-2"
              aria-expanded={isAll}
              onClick={() => {
                setAll(!isAll);
              }}
            >
              {isAll ? "Show fewer" : `Show ${texts.length - SHOWN} more`}
            </button>
          )}
        </div>
        <TokenEffectPanel
          token={at === undefined || pointed === null ? null : (at.text.tokens[pointed.token] ?? null)}
          isBefore={at !== undefined && pointed !== null && pointed.token <= at.text.idx}
          effect={effect}
        />
      </div>
    </div>
  );
}

function Legend({ kind }: { kind: EffectKind }) {
  if (kind === "kl") {
    return (
      <span className="text-muted">
        <Sample look="effect-helps">token</Sample> its prediction changes without the activation
      </span>
    );
  }
  return (
    <span className="flex flex-wrap gap-x-4 text-muted">
      <span>
        <Sample look="effect-helps">token</Sample> predicted worse without the activation: the feature helps
      </span>
      <span>
        <Sample look="effect-hurts">token</Sample> predicted better without it: the feature is in the way
      </span>
    </span>
  );
}

function Sample({ look, children }: { look: string; children: string }) {
  return (
    <span className={`token font-mono text-ink ${look}`} style={{ "--heat": "0.6" } as React.CSSProperties}>
      {children}
    </span>
  );
}
