/** A feature wherever its number would stand: its label and number, or the number and the token that it fires on most. */

import { useLabel } from "../../labelQueries";
import { TokenChip } from "../TokenChips";
import { LabelText } from "./LabelText";

type Props = {
  id: number;
  run: string | null;
  /** The feature's main token, shown while it has no label. */
  token?: string | undefined;
};

export function FeatureName({ id, run, token }: Props) {
  const label = useLabel(id, run);
  const text = label?.label ?? null;
  return (
    <>
      {label?.starred === true && <Star />}
      {text === null ? (
        <>
          <span className="tabular-nums">{id}</span>
          {token !== undefined && (
            <>
              {" "}
              <TokenChip token={token} />
            </>
          )}
        </>
      ) : (
        <>
          <LabelText text={text} /> <span className="text-faint tabular-nums">{id}</span>
        </>
      )}
    </>
  );
}

/** The mark of a feature that somebody starred. */
export function Star() {
  return (
    <>
      <span aria-hidden="true" className="text-star">
        ★
      </span>
      <span className="sr-only">starred</span>{" "}
    </>
  );
}
