/** A text of one's own on a feature's page: where the feature fires in it, and how strongly as its activations go. */

import { useMemo, useState } from "react";
import { Link } from "wouter";

import type { Encoded, FeatureInfo } from "../../apiTypes";
import type { Band } from "../../lib/bands";
import { heatByBand } from "../../lib/bands";
import { describeStrength } from "../../lib/encodedRows";
import { formatPlural, formatStrength } from "../../lib/format";
import { MARKER } from "../../lib/rowFeatures";
import { goesOn, quoteToken } from "../../lib/tokens";
import { fitsAddress, tryPath } from "../../lib/tryState";
import { useEncodedText } from "../../modelQueries";
import { GOES_ON_NOTE } from "../TokenTooltip";
import { ValueText } from "../ValueText";
import { AskProblem } from "./AskProblem";
import { TextForm } from "./TextForm";

type Props = { info: FeatureInfo; bands: Band[]; run: string | null };

export function YourText({ info, bands, run }: Props) {
  const [text, setText] = useState<string | null>(null);
  const answer = useEncodedText(text, info.run);
  return (
    <div className="space-y-2">
      <TextForm
        text={text ?? ""}
        name="Where does it fire in a text of yours?"
        action="Look"
        rows={2}
        isAsking={answer.isFetching}
        onAsk={(next) => {
          if (next === text && answer.isError) void answer.refetch();
          else setText(next);
        }}
      />
      {answer.isError && !answer.isFetching && <AskProblem error={answer.error} />}
      {answer.data !== undefined && (
        <>
          <Coloured encoded={answer.data} info={info} bands={bands} />
          {text !== null && fitsAddress(text) && (
            <Link href={tryPath({ text, run })} className="text-xs text-accent hover:underline">
              All features of this text
            </Link>
          )}
        </>
      )}
    </div>
  );
}

function Coloured({ encoded, info, bands }: { encoded: Encoded; info: FeatureInfo; bands: Band[] }) {
  const heatOf = useMemo(() => (bands.length === 0 ? () => 1 : heatByBand(bands)), [bands]);
  const feature = encoded.features.find(({ feature_id: id }) => id === info.feature_id);
  const values = new Map(feature?.at.map((token, place) => [token, feature.values[place] ?? 0]));
  const { tokens } = encoded;
  const onMarker = values.get(MARKER);
  return (
    <>
      <p role="status">{sentence(encoded, info.feature_id)}</p>
      <div className="panel px-3 py-2">
        <ValueText
          label="Your text"
          tokens={tokens}
          initial={Math.max(0, feature?.largest_at ?? 0)}
          lookOf={(index) => {
            const value = values.get(index) ?? 0;
            if (value === 0) return {};
            const peak = index === feature?.largest_at ? " token-peak" : "";
            return { className: `token-fires${peak}`, heat: heatOf(value) };
          }}
          tooltip={(index) => (
            <>
              <div className="font-mono break-all">
                {goesOn(tokens[index] ?? "") ? GOES_ON_NOTE : quoteToken(tokens[index] ?? "")}
              </div>
              <div className="tabular-nums">activation {values.get(index) ?? 0}</div>
            </>
          )}
        />
      </div>
      {onMarker !== undefined && (
        <p className="text-xs text-muted">On the marker before the text it is {formatStrength(onMarker)}.</p>
      )}
    </>
  );
}

function sentence({ tokens, features }: Encoded, id: number): string {
  const feature = features.find(({ feature_id: one }) => one === id);
  if (feature === undefined) return `It doesn’t fire at any of the ${formatPlural(tokens.length, "token")}.`;
  const where = feature.largest_at === MARKER ? "the marker before the text" : `“${tokens[feature.largest_at] ?? ""}”`;
  const count = feature.at.filter((token) => token !== MARKER).length;
  return `It fires at ${count} of ${formatPlural(tokens.length, "token")}, most strongly on ${where}: ${formatStrength(feature.largest)}, ${describeStrength(feature)}.`;
}
