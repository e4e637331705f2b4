/** A box to tick, with its name beside it. */

type Props = { name: string; isChecked: boolean; onChange: (isChecked: boolean) => void };

export function Checkbox({ name, isChecked, onChange }: Props) {
  return (
    <label className="flex items-center gap-1.5">
      <input
        type="checkbox"
        className="accent-accent"
        checked={isChecked}
        onChange={(event) => {
          onChange(event.target.checked);
        }}
      />
      {name}
    </label>
  );
}
