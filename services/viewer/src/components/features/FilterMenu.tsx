/** What a list can be narrowed down by, in a menu; what is typed holds after a pause. */

import { useRef } from "react";

import { parseCount, parseHighest, parseLowest, parseToken, percentText } from "../../lib/featureFilters";
import type { Filters } from "../../lib/viewState";
import { Checkbox } from "../Checkbox";
import { FilterField } from "./FilterField";

type Props = {
  filters: Filters;
  onChange: (change: Partial<Filters>) => void;
  /** Lists those that never fired, or those that did. */
  onDead: (dead: boolean) => void;
};

export function FilterMenu({ filters, onChange, onDead }: Props) {
  const menu = useRef<HTMLDetailsElement>(null);
  const close = () => {
    if (menu.current !== null) menu.current.open = false;
  };
  return (
    <details
      ref={menu}
      className="relative"
      onToggle={(event) => {
        if (event.currentTarget.open) event.currentTarget.querySelector<HTMLElement>("fieldset input")?.focus();
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || menu.current?.open !== true) return;
        close();
        menu.current.querySelector("summary")?.focus();
      }}
      onBlur={(event) => {
        // a click on what can't have the focus, such as a label, isn't a way out
        if (event.relatedTarget !== null && !event.currentTarget.contains(event.relatedTarget)) close();
      }}
    >
      <summary className="control cursor-pointer list-none whitespace-nowrap">+ Filter</summary>
      <fieldset
        data-not-roving=""
        className="panel absolute left-0 z-20 mt-1 w-80 max-w-[calc(100vw-2rem)] space-y-2.5 px-3 py-3 shadow-lg"
      >
        <legend className="sr-only">Filters</legend>
        {!filters.dead && <Fields filters={filters} onChange={onChange} />}
        <div className="flex flex-wrap gap-x-4 gap-y-1">
          <Checkbox
            name="labelled"
            isChecked={filters.labelled}
            onChange={(labelled) => {
              onChange({ labelled });
            }}
          />
          <Checkbox
            name="starred"
            isChecked={filters.starred}
            onChange={(starred) => {
              onChange({ starred });
            }}
          />
          <Checkbox name="never fired" isChecked={filters.dead} onChange={onDead} />
        </div>
      </fieldset>
    </details>
  );
}

function Fields({ filters, onChange }: Pick<Props, "filters" | "onChange">) {
  return (
    <>
      <FilterField
        label="fires on"
        width="w-44 font-mono"
        value={filters.token}
        format={(token) => token ?? ""}
        parse={parseToken}
        onCommit={(token) => {
          onChange({ token });
        }}
      />
      <div className="flex flex-wrap items-start gap-x-1.5">
        <FilterField
          label="density from"
          name="density from, in percent"
          width="w-16"
          inputMode="decimal"
          value={filters.minDensity}
          format={percentText}
          parse={(text) => parseLowest(text, filters.maxDensity)}
          onCommit={(minDensity) => {
            onChange({ minDensity });
          }}
        />
        <FilterField
          label="to"
          name="density to, in percent"
          unit="%"
          width="w-16"
          inputMode="decimal"
          value={filters.maxDensity}
          format={percentText}
          parse={(text) => parseHighest(text, filters.minDensity)}
          onCommit={(maxDensity) => {
            onChange({ maxDensity });
          }}
        />
      </div>
      <FilterField
        label="active tokens at least"
        width="w-20"
        inputMode="numeric"
        value={filters.minCount}
        format={(count) => String(count ?? "")}
        parse={parseCount}
        onCommit={(minCount) => {
          onChange({ minCount });
        }}
      />
    </>
  );
}
