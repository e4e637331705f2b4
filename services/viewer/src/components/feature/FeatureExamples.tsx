/** A feature's texts: by strength, the strongest, random ones, and those in which it is silent. */

import { useMemo } from "react";

import type { FeatureInfo } from "../../apiTypes";
import { useTextLines } from "../../hooks/useTextLines";
import { type Band, heatByBand, linesPerBand } from "../../lib/bands";
import { examplesByBand, nearMisses } from "../../lib/examples";
import type { ViewState } from "../../lib/viewState";
import { Checkbox } from "../Checkbox";
import { Later } from "../Later";
import { BandedExamples } from "./BandedExamples";
import { ExampleList, type ListLook } from "./ExampleList";
import { ExampleTabs, type Tab } from "./ExampleTabs";
import { MixedNearMisses, NearMissesByToken } from "./NearMisses";
import { TokenOdds } from "./TokenOdds";

const TABS: Tab[] = [
  { kind: "strength", title: "By strength", note: "" },
  { kind: "strongest", title: "Strongest", note: "each from a different text" },
  { kind: "random", title: "Random", note: "a uniform sample of the tokens that it fired on, framed" },
  { kind: "not-firing", title: "Doesn’t fire", note: "though the token is one that it often fires on" },
];

type Props = {
  info: FeatureInfo;
  bands: Band[];
  chosen: Band | undefined;
  state: ViewState;
  onChange: (part: Partial<ViewState>) => void;
};

export function FeatureExamples({ info, bands, chosen, state, onChange }: Props) {
  const examples = useMemo(() => examplesByBand(info, bands), [info, bands]);
  const misses = useMemo(() => nearMisses(info), [info]);
  const texts = useTextLines<HTMLDivElement>();
  const heatOf = useMemo(() => heatByBand(bands), [bands]);
  const look: ListLook = { run: info.run, heatOf, breakLines: state.newlines, whole: state.whole };
  const available = bands.map(({ index }) => examples.get(index)?.length ?? 0);
  const lines = linesPerBand(available);
  const hidden = available.reduce((sum, number, index) => sum + number - (lines[index] ?? 0), 0);
  return (
    <ExampleTabs
      tabs={TABS}
      shown={state.shown}
      onShow={(shown) => {
        onChange({ shown });
      }}
      options={<Options state={state} onChange={onChange} />}
    >
      <div {...texts}>
        {state.shown === "strength" && (
          <>
            <BandedExamples
              bands={bands}
              examples={examples}
              lines={lines}
              chosen={chosen}
              onChoose={(band) => {
                onChange({ band: band?.above ?? null });
              }}
              all={state.allExamples}
              {...look}
            />
            {chosen === undefined && (
              <Later>
                <MixedNearMisses misses={misses} {...look} />
                <TokenOdds info={info} />
                {hidden > 0 && (
                  <button
                    type="button"
                    className="control no-print mt-2"
                    aria-expanded={state.allExamples}
                    onClick={() => {
                      onChange({ allExamples: !state.allExamples });
                    }}
                  >
                    {state.allExamples ? "Show fewer" : `Show ${hidden} more`}
                  </button>
                )}
              </Later>
            )}
          </>
        )}
        {state.shown === "strongest" && <Panel info={info} kind="top" label="Top activations" look={look} />}
        {state.shown === "random" && <Panel info={info} kind="random" label="Random activations" look={look} />}
        {state.shown === "not-firing" &&
          (misses.length > 0 ? (
            <NearMissesByToken misses={misses} info={info} {...look} />
          ) : (
            <p className="panel px-3 py-2 text-muted">{noMisses(info)}</p>
          ))}
      </div>
    </ExampleTabs>
  );
}

type PanelProps = { info: FeatureInfo; kind: "top" | "random"; label: string; look: ListLook };

function Panel({ info, kind, label, look }: PanelProps) {
  return (
    <section aria-label={label} className="panel">
      <ExampleList texts={info[kind]} label={label} {...look} />
    </section>
  );
}

function Options({ state, onChange }: Pick<Props, "state" | "onChange">) {
  return (
    <>
      <Checkbox
        name="whole text"
        isChecked={state.whole}
        onChange={(whole) => {
          onChange({ whole });
        }}
      />
      {state.whole && (
        <Checkbox
          name="show newlines"
          isChecked={state.newlines}
          onChange={(newlines) => {
            onChange({ newlines });
          }}
        />
      )}
    </>
  );
}

function noMisses(info: FeatureInfo): string {
  if (info.tokens === undefined) {
    return "This run was made by an earlier version, which kept no such texts; starting it again keeps them.";
  }
  if (info.tokens.every(({ share_of_occurrences: share }) => share === 1)) {
    return "It fires at every occurrence of the tokens that it fires on.";
  }
  return info.live === true ? "Such texts are kept when the run ends." : "No such text is kept.";
}
