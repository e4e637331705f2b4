/** The features of a row against its tokens: as far as the run's files hold them, or on demand all of them, by the model. */

import { useId } from "react";

import type { Encoded, PromptInfo } from "../../apiTypes";
import type { MatrixRow } from "../../lib/matrix";
import type { RowOrder } from "../../lib/rowFeatures";
import { useModels } from "../../modelQueries";
import { AskProblem } from "../ask/AskProblem";
import { ModelsNote } from "../ask/ModelsNote";
import { EncodedMatrix } from "../encoded/EncodedMatrix";
import { OrderSwitch } from "./OrderSwitch";
import { RowMatrix } from "./RowMatrix";
import { Stretches } from "./Stretches";

type Props = {
  row: PromptInfo;
  run: string | null;
  from: number;
  onFrom: (from: number) => void;
  order: RowOrder;
  onOrder: (order: RowOrder) => void;
  selected: number | null;
  onSelect: (token: number) => void;
  onPoint: (row: MatrixRow | null) => void;
  labelOf: (feature: number) => string | null;
  /** The model's answer about these tokens: what it is, whether it is waited for, and asking for it. */
  all: { encoded: Encoded | null; isAsking: boolean; error: Error | null; ask: (isWanted: boolean) => void };
};

export function RowFeatures({ row, from, onFrom, order, onOrder, all, ...props }: Props) {
  const id = useId();
  const models = useModels().data;
  const { encoded, isAsking, error, ask } = all;
  const look = { from, order, ...props };
  return (
    <section aria-labelledby={id} className="space-y-2">
      <div className="flex flex-wrap items-center gap-x-5 gap-y-1">
        <h2 id={id} className="font-semibold">
          Features and tokens
        </h2>
        <OrderSwitch order={order} onOrder={onOrder} />
        <Stretches from={from} count={row.tokens.length} onFrom={onFrom} />
        {models?.can_ask === true && (
          <button
            type="button"
            className="control"
            aria-pressed={encoded !== null || isAsking}
            onClick={() => {
              ask(encoded === null && !isAsking);
            }}
          >
            All features of this row
          </button>
        )}
        <span role="status" className="text-xs text-muted">
          {isAsking && "Asking the model…"}
        </span>
      </div>
      {error !== null && <AskProblem error={error} />}
      {encoded === null ? (
        <RowMatrix row={row} {...look} />
      ) : (
        <EncodedMatrix encoded={encoded} label={`All features and tokens of row ${row.row_id}`} {...look} />
      )}
      {encoded === null && !row.keeps_firings && <ModelsNote models={models} />}
    </section>
  );
}
