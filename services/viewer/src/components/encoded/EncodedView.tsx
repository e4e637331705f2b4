/** A text with all its features: token by token, and as a matrix of features and tokens. */

import { useCallback, useId, useMemo, useState } from "react";

import { useStretch } from "../../hooks/useStretch";
import { useLabelOf } from "../../labelQueries";
import { firingsAt, largestShares } from "../../lib/encodedRows";
import { formatCount, formatPlural } from "../../lib/format";
import type { MatrixRow } from "../../lib/matrix";
import type { Encoded } from "../../apiTypes";
import { MARKER, type RowOrder, sharesOfOne, tokenNumber } from "../../lib/rowFeatures";
import { OrderSwitch } from "../prompts/OrderSwitch";
import { RowText } from "../prompts/RowText";
import { STRETCH, Stretches } from "../prompts/Stretches";
import { TokenChip } from "../TokenChips";
import { EncodedMatrix } from "./EncodedMatrix";
import { EncodedTooltip } from "./EncodedTooltip";
import { TokenFeatures } from "./TokenFeatures";

type Props = {
  encoded: Encoded;
  run: string | null;
  order: RowOrder;
  onOrder: (order: RowOrder) => void;
  selected: number | null;
  onSelect: (token: number) => void;
};

export function EncodedView({ encoded, run, order, onOrder, selected, onSelect }: Props) {
  const id = useId();
  const { tokens, token_ints: ids, windows, features } = encoded;
  const [pointedAt, setPointedAt] = useState<MatrixRow | null>(null);
  const [from, setFrom] = useStretch(selected, STRETCH);
  const labelOf = useLabelOf(encoded.run);
  const firings = useMemo(() => firingsAt(features), [features]);
  const shares = useMemo(
    () => (pointedAt === null ? largestShares(firings) : sharesOfOne(pointedAt)),
    [pointedAt, firings],
  );
  const point = useCallback((row: MatrixRow | null) => {
    setPointedAt(row);
  }, []);
  return (
    <div className="space-y-4">
      <div className="flex flex-col gap-4 lg:grid lg:grid-cols-[minmax(0,1fr)_22rem] lg:items-start lg:gap-x-6">
        <section aria-label="Text" className="panel min-w-0 overflow-clip px-4 py-3">
          <p className="mb-2 text-xs text-muted tabular-nums">
            {formatPlural(tokens.length, "token")}
            {encoded.num_tokens > tokens.length &&
              `, the first of ${formatCount(encoded.num_tokens)}, as the run takes no more of a row`}
            {windows.length > 1 && ` in ${formatPlural(windows.length, "window")}, which begin at the vertical lines`};
            the fuller the colour, the closer a feature is to its strongest
          </p>
          <RowText
            label="Tokens of your text"
            tokens={tokens}
            windows={windows}
            hasMarker={firings.has(MARKER)}
            shares={shares}
            selected={selected}
            onSelect={onSelect}
            tooltip={(index) => (
              <EncodedTooltip
                token={tokens[index] ?? ""}
                index={index}
                tokenId={ids[index]}
                firings={firings.get(index) ?? []}
              />
            )}
          />
        </section>
        <section
          aria-label="Selected token"
          aria-live="polite"
          className="panel px-4 py-3 max-lg:sticky max-lg:bottom-0 max-lg:z-20 max-lg:max-h-[40vh] max-lg:overflow-y-auto max-lg:shadow-lg lg:sticky lg:top-16"
        >
          {selected === null || selected >= tokens.length ? (
            <p className="text-muted">Select a token to see the features that fire on it.</p>
          ) : (
            <>
              <h2 className="flex items-center gap-2 font-semibold tabular-nums">
                {selected === MARKER ? "Marker before the text" : `Token ${tokenNumber(selected)}`}
                {selected !== MARKER && <TokenChip token={tokens[selected] ?? ""} />}
              </h2>
              <TokenFeatures firings={firings.get(selected) ?? []} token={selected} run={run} />
            </>
          )}
        </section>
      </div>
      <section aria-labelledby={id} className="space-y-2">
        <div className="flex flex-wrap items-center gap-x-5 gap-y-1">
          <h2 id={id} className="font-semibold">
            Features and tokens
          </h2>
          <OrderSwitch order={order} onOrder={onOrder} />
          <Stretches from={from} count={tokens.length} onFrom={setFrom} />
        </div>
        <EncodedMatrix
          encoded={encoded}
          label="Features and tokens of your text"
          run={run}
          from={from}
          order={order}
          selected={selected}
          onSelect={onSelect}
          onPoint={point}
          labelOf={labelOf}
        />
      </section>
    </div>
  );
}
