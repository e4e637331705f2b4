/** What a feature's activation does to the predictions after it, in its examples: asked on demand, or kept from before. */

import { useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";

import type { ExampleEffects, FeatureEffects, FeatureInfo } from "../../apiTypes";
import { useAnswerInParts } from "../../hooks/useAnswerInParts";
import { effectTexts } from "../../lib/effects";
import { askEffects } from "../../modelApi";
import { effectsKey, useKeptEffects } from "../../modelQueries";
import { AskHeading } from "./AskHeading";
import { AskProblem } from "./AskProblem";
import { AskProgress } from "./AskProgress";
import { EffectTexts } from "./EffectTexts";

type Props = { info: FeatureInfo; canAsk: boolean };

/** Nothing where nothing is kept and the models can't be asked. */
export function Effects({ info, canAsk }: Props) {
  const client = useQueryClient();
  const kept = useKeptEffects(info.feature_id, info.run);
  const answer = useAnswerInParts<ExampleEffects, FeatureEffects>();
  const examples = answer.result?.examples ?? (answer.pieces.length > 0 ? answer.pieces : kept.data?.examples);
  const texts = useMemo(() => effectTexts(info, examples ?? []), [info, examples]);

  const ask = async () => {
    const result = await answer.ask(askEffects(info.feature_id, info.run));
    if (result !== null) client.setQueryData(effectsKey(info.feature_id, info.run), result);
  };
  const isWhole = (answer.result ?? kept.data ?? null) !== null;
  if (!canAsk && texts.length === 0) return null;
  return (
    <section aria-labelledby="later-predictions" className="min-w-0 space-y-2">
      <AskHeading
        id="later-predictions"
        title="What it does to later predictions"
        verb="Compute"
        canAsk={canAsk && !isWhole && kept.data !== undefined}
        isAsking={answer.isAsking}
        hasFailed={answer.error !== null}
        onAsk={() => void ask()}
        onStop={answer.stop}
      />
      {texts.length === 0 && isWhole && <p className="text-muted">It changes nothing in the examples shown.</p>}
      {texts.length === 0 && !isWhole && !answer.isAsking && (
        <p className="max-w-prose text-xs text-muted">
          In each example its activation at the framed token is set to 0, all else kept, and the predictions of the
          tokens after it are compared.
        </p>
      )}
      {kept.isError && <AskProblem error={kept.error} />}
      {answer.error !== null && <AskProblem error={answer.error} />}
      {answer.isAsking && <AskProgress progress={answer.progress} />}
      {texts.length > 0 && <EffectTexts key={info.feature_id} texts={texts} run={info.run} />}
    </section>
  );
}
