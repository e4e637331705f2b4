/** A row's strongest features; pointing at one marks its token in the text. */

import { Link } from "wouter";

import type { RowFeature } from "../../apiTypes";
import { formatActivation } from "../../lib/format";
import { DEFAULT_STATE, featurePath } from "../../lib/viewState";
import { TokenChip } from "../TokenChips";

type Props = {
  features: RowFeature[];
  run: string | null;
  onPoint: (token: number | null) => void;
  onSelect: (token: number) => void;
};

export function RowFeatures({ features, run, onPoint, onSelect }: Props) {
  return (
    <section aria-labelledby="strongest" className="panel px-4 py-3">
      <h2 id="strongest" className="mb-1 font-semibold">
        Strongest features
      </h2>
      {features.length === 0 && <p className="text-muted">No feature fired in this row.</p>}
      <ol className="tabular-nums">
        {features.map(({ feature_id: id, activation, token, token_str: text }) => {
          const point = () => {
            onPoint(token);
          };
          const leave = () => {
            onPoint(null);
          };
          return (
            <li
              key={id}
              className="flex items-center gap-3 rounded-sm py-0.5 hover:bg-sunken"
              onMouseEnter={point}
              onMouseLeave={leave}
              onFocus={point}
              onBlur={leave}
            >
              <Link
                href={featurePath(id, { ...DEFAULT_STATE, run })}
                aria-label={`Feature ${id}`}
                className="w-16 text-accent hover:underline"
              >
                {id}
              </Link>
              <button
                type="button"
                title="Select this token"
                className="min-w-0 hover:underline"
                onClick={() => {
                  onSelect(token);
                }}
              >
                <TokenChip token={text} />
              </button>
              <span className="ml-auto font-medium">{formatActivation(activation)}</span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}
