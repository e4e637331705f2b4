/** What to steer with: a prompt, how strongly in units of the feature's own activation, and how to generate. */

import { type ReactNode, type SubmitEvent, useId, useState } from "react";

import type { FeatureInfo, TextToSteer } from "../../apiTypes";
import { formatStrength } from "../../lib/format";
import { onStep, strengthRange } from "../../lib/steering";
import { MOST_CHARACTERS } from "../../lib/tryState";

const MOST_NEW_TOKENS = 200; // as in the API

type Props = {
  info: FeatureInfo;
  isAsking: boolean;
  onAsk: (question: TextToSteer) => void;
  onStop: () => void;
};

export function SteeringForm({ info, isAsking, onAsk, onStop }: Props) {
  const id = useId();
  const range = strengthRange(info);
  const [prompt, setPrompt] = useState("");
  const [mode, setMode] = useState<"set" | "add">("set");
  const [strength, setStrength] = useState(String(Number(info.max_act.toPrecision(3))));
  const [tokens, setTokens] = useState("40");
  const [temperature, setTemperature] = useState("0");
  const [seed, setSeed] = useState("0");
  const question: TextToSteer = {
    feature_id: info.feature_id,
    prompt,
    mode,
    strength: Number(strength),
    num_tokens: Number(tokens),
    temperature: Number(temperature),
    seed: Number(seed),
  };
  const submit = (event: SubmitEvent) => {
    event.preventDefault(); // fields that are out of their range say so themselves
    if (!isAsking) onAsk(question);
  };
  return (
    <form className="max-w-[110ch] space-y-2" onSubmit={submit}>
      <label className="block">
        <span className="mb-0.5 block text-xs text-muted">Prompt</span>
        <textarea
          className="control block w-full font-mono text-[0.8125rem]"
          rows={2}
          required
          maxLength={MOST_CHARACTERS}
          dir="auto"
          spellCheck={false}
          value={prompt}
          onChange={(event) => {
            setPrompt(event.target.value);
          }}
        />
      </label>
      <div className="flex flex-wrap items-end gap-x-5 gap-y-2">
        <fieldset className="flex items-center gap-x-3 text-xs">
          <legend className="mb-0.5 text-muted">Its activation is</legend>
          {(["set", "add"] as const).map((value) => (
            <label key={value} className="flex items-center gap-1">
              <input
                type="radio"
                name={`${id}-mode`}
                className="accent-accent"
                checked={mode === value}
                onChange={() => {
                  setMode(value);
                }}
              />
              {value === "set" ? "set to" : "raised by"}
            </label>
          ))}
        </fieldset>
        <div className="min-w-56 grow max-sm:basis-full">
          <input
            type="range"
            aria-label="Strength"
            aria-valuetext={`${strength}; its strongest in the run is ${formatStrength(info.max_act)}`}
            className="block w-full accent-accent"
            list={`${id}-marks`}
            min={range.min}
            max={range.max}
            step="any" // what is typed beside it may be between the steps
            value={Number(strength)}
            onChange={(event) => {
              setStrength(String(onStep(Number(event.target.value), range.step)));
            }}
          />
          <datalist id={`${id}-marks`}>
            <option value={0} />
            <option value={info.max_act} />
          </datalist>
          <Marks range={range} strongest={info.max_act} />
        </div>
        <NumberField name="Strength" min={-1e6} max={1e6} step="any" value={strength} onChange={setStrength} />
        <NumberField name="Tokens" min={1} max={MOST_NEW_TOKENS} value={tokens} onChange={setTokens} />
        <NumberField
          name="Temperature"
          min={0}
          max={10}
          step="any"
          note="0: the likeliest token each time"
          value={temperature}
          onChange={setTemperature}
        />
        <NumberField name="Seed" min={0} max={2 ** 32 - 1} value={seed} onChange={setSeed} />
      </div>
      <div className="flex gap-2">
        <button type="submit" className="control font-medium" aria-disabled={isAsking}>
          Generate
        </button>
        {isAsking && (
          <button type="button" className="control" onClick={onStop}>
            Stop
          </button>
        )}
      </div>
    </form>
  );
}

/** Where 0 and the feature's largest activation are on the slider. */
function Marks({ range: { min, max }, strongest }: { range: { min: number; max: number }; strongest: number }) {
  const mark = (value: number, text: ReactNode) => (
    <span
      className="absolute -translate-x-1/2 whitespace-nowrap"
      style={{ left: `${(100 * (value - min)) / (max - min)}%` }}
    >
      {text}
    </span>
  );
  return (
    <div aria-hidden="true" className="relative mx-2 h-4 text-[0.6875rem] text-muted tabular-nums">
      {mark(0, "0")}
      {mark(strongest, `its max ${formatStrength(strongest)}`)}
    </div>
  );
}

type NumberProps = {
  name: string;
  min: number;
  max: number;
  step?: number | "any";
  note?: string;
  value: string;
  onChange: (value: string) => void;
};

function NumberField({ name, min, max, step = 1, note, value, onChange }: NumberProps) {
  return (
    <label className="block text-xs" title={note}>
      <span className="mb-0.5 block text-muted">{name}</span>
      <input
        className="control w-24 tabular-nums"
        type="number"
        required
        min={min}
        max={max}
        step={step}
        value={value}
        onChange={(event) => {
          onChange(event.target.value);
        }}
      />
    </label>
  );
}
