/** A text field whose value is kept elsewhere. Knows nothing of what is typed. */

import { useEffect, useEffectEvent, useState } from "react";

import type { Parsed } from "../lib/featureFilters";

const PAUSE_MS = 250;

type Options<Value> = {
  /** What is kept, and is shown until somebody types. */
  value: Value;
  format: (value: Value) => string;
  parse: (text: string) => Parsed<Value>;
  /** Called with what was typed after a pause, if it means something else than what is kept. */
  onCommit: (value: Value) => void;
};

/** What the field shows, what is wrong with it, and the function to call when somebody types. */
export function useTypedValue<Value>({ value, format, parse, onCommit }: Options<Value>) {
  const [draft, setDraft] = useState({ text: format(value), of: value });
  const parsed = parse(draft.text);
  const problem = "problem" in parsed ? parsed.problem : null;
  const typed = "value" in parsed ? parsed.value : value;
  // changed by other means; what was typed stays as it is if it means the same
  if (draft.of !== value) setDraft({ text: typed === value ? draft.text : format(value), of: value });

  const commit = useEffectEvent(onCommit);
  useEffect(() => {
    if (typed === value) return undefined;
    const timer = setTimeout(() => {
      commit(typed);
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
    };
  }, [typed, value]);

  const setText = (text: string) => {
    setDraft({ text, of: value });
  };
  return { text: draft.text, problem, setText };
}
