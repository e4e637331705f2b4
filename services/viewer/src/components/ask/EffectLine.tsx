/** One text with the effects of its framed token's activation on the tokens after it. */

import { Link } from "wouter";

import { type EffectKind, effectOn, type EffectText, summary } from "../../lib/effects";
import { formatStrength } from "../../lib/format";
import { promptPath } from "../../lib/promptState";
import { rowPosition } from "../../lib/tokens";
import { type TokenLook, ValueText } from "../ValueText";

type Props = {
  of: EffectText;
  kind: EffectKind;
  /** The size that has the full colour. */
  scale: number;
  run: string;
  onPoint: (token: number) => void;
};

export function EffectLine({ of, kind, scale, run, onPoint }: Props) {
  const { text, effects } = of;
  const lookOf = (token: number): TokenLook => {
    if (token === text.idx) return { className: "token-peak" };
    const size = effectOn(effects, token)?.[kind] ?? 0;
    if (size === 0) return {};
    return { className: size > 0 ? "effect-helps" : "effect-hurts", heat: Math.min(1, Math.abs(size) / scale) };
  };
  return (
    <li data-line="" className="example-line overflow-clip py-0.5">
      <span className="text-[0.8125rem] font-semibold tabular-nums">{formatStrength(effects.act)}</span>
      <ValueText
        label={summary(of)}
        tokens={text.tokens}
        lookOf={lookOf}
        initial={text.idx}
        isGrouped
        onPoint={onPoint}
      />
      <span className="text-right text-xs whitespace-nowrap text-muted tabular-nums">
        <Link
          href={promptPath(text.row_id, run, rowPosition(text, text.idx))}
          tabIndex={-1}
          className="text-accent hover:underline"
        >
          row {text.row_id}
        </Link>
      </span>
    </li>
  );
}
