/** One text in a list: how strongly the feature fires, the text, and the way to its row. */

import { Link } from "wouter";

import { activationOf, type Occurrence } from "../lib/examples";
import { formatCount, formatStrength } from "../lib/format";
import { promptPath } from "../lib/promptState";
import { rowPosition } from "../lib/tokens";
import { type TextLook, TokenText } from "./TokenText";

export type LineLook = TextLook & {
  /** The run that the texts belong to. */
  run: string;
};

export function ExampleLine({ text, run, ...look }: LineLook & { text: Occurrence }) {
  const count = text.count ?? 1;
  return (
    // clipped, because piled-up combining marks would reach into other texts
    <li data-line="" className="example-line overflow-clip">
      <span className="text-[0.8125rem] font-semibold tabular-nums">{formatStrength(activationOf(text))}</span>
      <TokenText text={text} {...look} />
      <span className="text-right text-xs whitespace-nowrap text-muted tabular-nums">
        {count > 1 && <span title={`This very text occurred ${formatCount(count)} times`}>×{formatCount(count)} </span>}
        <Link
          href={promptPath(text.row_id, run, rowPosition(text, text.idx))}
          tabIndex={-1}
          className="text-accent hover:underline"
          title={text.offset > 0 ? `The text shown begins at token ${text.offset} of its row` : undefined}
        >
          row {text.row_id}
        </Link>
      </span>
    </li>
  );
}
