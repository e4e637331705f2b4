/** The keyboard of a combobox: which option is the active one, while the focus stays in the field. */

import { type KeyboardEvent, useState } from "react";

type Options = {
  /** The options' keys, in order. */
  keys: string[];
  /** The option that is active at first, if there is such a one. */
  initial?: string | null;
  onChoose: (key: string) => void;
  onClose: () => void;
};

/** The active option is the initial or first one until another is moved to, and stays when options come and go. */
export function useListbox({ keys, initial = null, onChoose, onClose }: Options) {
  const [moved, setMoved] = useState<string | null>(null);
  const wanted = moved ?? initial;
  const active = wanted !== null && keys.includes(wanted) ? wanted : (keys[0] ?? null);
  const moveBy = (step: number) => {
    const from = active === null ? -1 : keys.indexOf(active);
    setMoved(keys[(from + step + keys.length) % keys.length] ?? null);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Escape") onClose();
    else if (event.key === "Enter" && active !== null) onChoose(active);
    else if (event.key === "ArrowDown" && keys.length > 0) moveBy(1);
    else if (event.key === "ArrowUp" && keys.length > 0) moveBy(-1);
    else return;
    event.preventDefault();
  };
  const reset = () => {
    setMoved(null);
  };
  return { active, onKeyDown, moveTo: setMoved, choose: onChoose, reset };
}
