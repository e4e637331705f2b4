/** What a row's matrix shows, and what it can't: most runs' files hold the values of the strongest features alone. */

import type { PromptInfo, RowFirings } from "../../apiTypes";
import { formatPlural } from "../../lib/format";

type Props = { id: string; row: PromptInfo; firings: RowFirings | undefined; isLong: boolean };

export function MatrixNote({ id, row, firings, isLong }: Props) {
  return (
    <p id={id} className="max-w-[110ch] text-xs text-muted">
      {row.keeps_firings ? (
        <Kept row={row} firings={firings} isLong={isLong} />
      ) : (
        <NotKept count={row.features.length} />
      )}{" "}
      Colours are shares of a feature’s own strongest activation in the run.
    </p>
  );
}

function NotKept({ count }: { count: number }) {
  return (
    <>
      Shown are the {formatPlural(count, "strongest feature")} of this row, each at its strongest token. What else fired
      is not in this run’s files (run with --keep-firings to keep it), so an empty cell doesn’t mean that a feature is
      silent there.
    </>
  );
}

function Kept({ row, firings, isLong }: Omit<Props, "id">) {
  const count = firings === undefined ? null : firings.num_features + row.features.length;
  const strongest = formatPlural(row.features.length, "strongest feature");
  return (
    <>
      {count !== null && !isLong && `${formatPlural(count, "feature")} fire${count === 1 ? "s" : ""} in this row. `}
      {firings?.values === undefined
        ? `Numbers are the largest activations of its ${strongest}; ● says that a feature fires too, how strongly isn’t kept.`
        : "Numbers are activations."}{" "}
      In an empty cell it doesn’t fire.
    </>
  );
}
