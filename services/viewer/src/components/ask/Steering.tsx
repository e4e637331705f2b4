/** Continues a prompt with the feature turned up or down, beside the same without; both texts are shown as they come. */

import { useState } from "react";

import type { FeatureInfo, GeneratedToken, SteeredTexts, TextToSteer } from "../../apiTypes";
import { useAnswerInParts } from "../../hooks/useAnswerInParts";
import { formatStrength } from "../../lib/format";
import { comparePerplexities, tokensOf } from "../../lib/steering";
import { steer } from "../../modelApi";
import { AskProblem } from "./AskProblem";
import { GeneratedTextView } from "./GeneratedTextView";
import { SteeringForm } from "./SteeringForm";

export function Steering({ info }: { info: FeatureInfo }) {
  const answer = useAnswerInParts<GeneratedToken, SteeredTexts>();
  const [asked, setAsked] = useState<TextToSteer | null>(null);
  const { isAsking, pieces, result, error } = answer;
  const sentence = result === null ? null : comparePerplexities(result);
  return (
    <section aria-labelledby="steering" className="no-print space-y-3">
      <h3 id="steering" className="font-semibold">
        Turn it up or down
      </h3>
      <SteeringForm
        info={info}
        isAsking={isAsking}
        onAsk={(question) => {
          setAsked(question);
          void answer.ask(steer(question, info.run));
        }}
        onStop={answer.stop}
      />
      {error !== null && <AskProblem error={error} />}
      {asked !== null && error === null && (
        <div className="grid gap-4 lg:grid-cols-2">
          <GeneratedTextView
            title="Without"
            prompt={asked.prompt}
            tokens={tokensOf(false, pieces, result)}
            isComing={isAsking}
          />
          <GeneratedTextView
            title={`With it ${describe(asked)}`}
            prompt={asked.prompt}
            tokens={tokensOf(true, pieces, result)}
            isComing={isAsking}
          />
        </div>
      )}
      <p role="status" className="min-h-5">
        {isAsking && pieces.length === 0 && (answer.progress?.what ?? "Asking the model…")}
        {sentence}
      </p>
    </section>
  );
}

function describe({ mode, strength }: TextToSteer): string {
  const size = `${strength < 0 ? "−" : ""}${formatStrength(Math.abs(strength))}`;
  return mode === "set" ? `set to ${size}` : `raised by ${size}`;
}
