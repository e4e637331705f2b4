/** A filter's text field, with what is wrong with its text below it. */

import { useId } from "react";

import { useTypedValue } from "../../hooks/useTypedValue";
import type { Parsed } from "../../lib/featureFilters";

type Props<Value> = {
  /** Shown beside the field. */
  label: string;
  /** The field's name, label included, for those who don't see what is beside it. */
  name?: string;
  unit?: string;
  width: string;
  inputMode?: "text" | "decimal" | "numeric";
  value: Value;
  format: (value: Value) => string;
  parse: (text: string) => Parsed<Value>;
  onCommit: (value: Value) => void;
};

export function FilterField<Value>({ label, name, unit, width, inputMode = "text", ...draft }: Props<Value>) {
  const id = useId();
  const { text, problem, setText } = useTypedValue(draft);
  return (
    <div className="max-w-full">
      <label className="flex items-center gap-1.5">
        <span className="text-muted">{label}</span>
        <input
          className={`control ${width}`}
          type="text"
          inputMode={inputMode}
          autoComplete="off"
          spellCheck={false}
          aria-label={name}
          aria-invalid={problem !== null}
          aria-describedby={problem === null ? undefined : id}
          value={text}
          onChange={(event) => {
            setText(event.target.value);
          }}
        />
        {unit !== undefined && <span className="text-muted">{unit}</span>}
      </label>
      {problem !== null && (
        <p id={id} role="alert" className="mt-0.5 max-w-64 text-xs text-danger">
          {problem}
        </p>
      )}
    </div>
  );
}
