/** The filters that a list has, each as a button that takes it away. */

import type { ReactNode } from "react";

import { percentText } from "../../lib/featureFilters";
import { formatPlural } from "../../lib/format";
import type { Filters } from "../../lib/viewState";
import { TokenChip } from "../TokenChips";

type Props = { filters: Filters; onChange: (change: Partial<Filters>) => void };

export function FilterChips({ filters, onChange }: Props) {
  const { token, minDensity, maxDensity, minCount, dead, labelled, starred } = filters;
  return (
    <>
      {token !== null && (
        <Chip
          name="token"
          onRemove={() => {
            onChange({ token: null });
          }}
        >
          fires on <TokenChip token={token} />
        </Chip>
      )}
      {(minDensity !== null || maxDensity !== null) && (
        <Chip
          name="density"
          onRemove={() => {
            onChange({ minDensity: null, maxDensity: null });
          }}
        >
          density {describeRange(minDensity, maxDensity)}
        </Chip>
      )}
      {minCount !== null && (
        <Chip
          name="count"
          onRemove={() => {
            onChange({ minCount: null });
          }}
        >
          at least {formatPlural(minCount, "active token")}
        </Chip>
      )}
      {dead && (
        <Chip
          name="dead"
          onRemove={() => {
            onChange({ dead: false });
          }}
        >
          never fired
        </Chip>
      )}
      {labelled && (
        <Chip
          name="labelled"
          onRemove={() => {
            onChange({ labelled: false });
          }}
        >
          labelled
        </Chip>
      )}
      {starred && (
        <Chip
          name="starred"
          onRemove={() => {
            onChange({ starred: false });
          }}
        >
          starred
        </Chip>
      )}
    </>
  );
}

function describeRange(least: number | null, most: number | null): string {
  if (least === null) return `up to ${percentText(most)} %`;
  if (most === null) return `from ${percentText(least)} %`;
  return `${percentText(least)} to ${percentText(most)} %`;
}

function Chip({ name, onRemove, children }: { name: string; onRemove: () => void; children: ReactNode }) {
  return (
    <button
      type="button"
      className="control max-w-full truncate rounded-full bg-sunken"
      title="Take this filter away"
      data-filter={name}
      onClick={onRemove}
    >
      <span className="sr-only">Without the filter: </span>
      {children}
      <span aria-hidden="true" className="pl-1.5 text-muted">
        ×
      </span>
    </button>
  );
}
