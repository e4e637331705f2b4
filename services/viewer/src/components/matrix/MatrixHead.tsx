/** The tokens above a matrix's columns, turned so that a column is narrow. */

import { memo } from "react";

import type { MatrixColumn } from "../../lib/matrix";
import { goesOn, nameOfUnseen, quoteToken } from "../../lib/tokens";
import { TokenPieces } from "../TokenPieces";

type Props = {
  columns: readonly MatrixColumn[];
  selected: number | null;
  /** The column whose head is the tab stop; null: another cell is. */
  tabStop: number | null;
  /** Whether the features say which share of their activations they exceed. */
  hasStrongerThan: boolean;
};

const HEAD = "sticky top-0 z-10 border-b border-line bg-panel align-bottom font-medium";
export const WINDOW_BORDER = "border-s-2 border-s-accent";

export const MatrixHead = memo(function MatrixHead({ columns, selected, tabStop, hasStrongerThan }: Props) {
  return (
    <thead>
      <tr>
        <th scope="col" className={`${HEAD} start-0 z-20 border-e px-3 py-1 text-start text-muted`}>
          feature
        </th>
        {columns.map(({ index, token, beginsWindow }, column) => (
          <th
            key={index}
            scope="col"
            aria-selected={index === selected}
            aria-label={index < 0 ? "the marker before the text" : undefined}
            title={index < 0 ? undefined : quoteToken(token)}
            data-place={`-1 ${column}`}
            data-column={index}
            tabIndex={column === tabStop ? 0 : -1}
            className={`${HEAD} cursor-pointer px-0.5 py-1 hover:bg-sunken ${beginsWindow ? WINDOW_BORDER : ""} ${index === selected ? "underline decoration-2 underline-offset-2" : ""}`}
          >
            <bdi className="mx-auto block max-h-28 w-5 rotate-180 overflow-clip text-start font-mono leading-5 whitespace-pre [writing-mode:vertical-rl]">
              {index < 0 ? "⟨bos⟩" : <HeadToken token={token} />}
            </bdi>
          </th>
        ))}
        <th scope="col" className={`${HEAD} border-s px-3 py-1 text-end text-muted`}>
          of its strongest
        </th>
        {hasStrongerThan && (
          <th scope="col" className={`${HEAD} px-3 py-1 text-end text-muted`}>
            stronger than
          </th>
        )}
        <th scope="col" className={`${HEAD} px-3 py-1 text-end text-muted`}>
          of all tokens
        </th>
      </tr>
    </thead>
  );
});

/** A column without anything to be seen above it would seem to have no token. */
function HeadToken({ token }: { token: string }) {
  const name = nameOfUnseen(token);
  if (name === undefined) return <TokenPieces token={token} />;
  return (
    <>
      <span aria-hidden="true" className="token-mark">
        {goesOn(token) ? <TokenPieces token={token} /> : "␣".repeat(token.length)}
      </span>
      <span className="sr-only">{name}</span>
    </>
  );
}
