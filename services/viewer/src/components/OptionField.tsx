/** One option of a new run: its field, what it means, and what the API says is wrong with it. */

import type { Option } from "../apiTypes";
import { isFileOption } from "../lib/runForm";

type Props = {
  name: string;
  option: Option;
  value: string;
  error: string | null;
  /** The id of the datalist with the data folder's files. */
  filesId: string;
  onChange: (value: string) => void;
};

export function OptionField({ name, option, value, error, filesId, onChange }: Props) {
  const id = `option-${name}`;
  const shared = {
    id,
    name,
    className: "control w-full min-w-0",
    "aria-invalid": error !== null,
    "aria-describedby": error === null ? `${id}-note` : `${id}-error ${id}-note`,
    value,
  };
  const fallback = option.default === null ? "" : String(option.default);
  return (
    <div className="min-w-0">
      <label htmlFor={id} className="mb-0.5 block font-medium">
        {name.replaceAll("_", " ")}
      </label>
      {option.choices === undefined ? (
        <input
          {...shared}
          type="text"
          inputMode={option.type === "integer" ? "numeric" : undefined}
          autoComplete="off"
          spellCheck={false}
          placeholder={fallback}
          list={isFileOption(name) ? filesId : undefined}
          onChange={(event) => {
            onChange(event.target.value);
          }}
        />
      ) : (
        <select
          {...shared}
          onChange={(event) => {
            onChange(event.target.value);
          }}
        >
          <option value="">{fallback} (default)</option>
          {option.choices
            .filter((choice) => choice !== fallback)
            .map((choice) => (
              <option key={choice}>{choice}</option>
            ))}
        </select>
      )}
      {error !== null && (
        <p id={`${id}-error`} role="alert" className="mt-0.5 break-words text-danger">
          {error}
        </p>
      )}
      <p id={`${id}-note`} className="mt-0.5 text-xs break-words text-muted">
        {option.description}
      </p>
    </div>
  );
}
