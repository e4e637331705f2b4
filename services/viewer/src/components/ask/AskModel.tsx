/** What a feature's page asks the model: a text of one's own, effects on later predictions, steering, patterns. */

import { useMemo } from "react";

import type { FeatureInfo } from "../../apiTypes";
import { bandsOf } from "../../lib/bands";
import { IS_EMBEDDED } from "../../lib/embedded";
import { useModels } from "../../modelQueries";
import { Effects } from "./Effects";
import { Graph } from "./Graph";
import { ModelsNote } from "./ModelsNote";
import { Steering } from "./Steering";
import { ASK_ID } from "./WayToAsk";
import { YourText } from "./YourText";

type Props = { info: FeatureInfo; run: string | null };

/** What is kept of answers is shown where the models can't be asked, too; a page that is part of another asks nothing. */
export function AskModel({ info, run }: Props) {
  const models = useModels();
  const bands = useMemo(() => bandsOf(info), [info]);
  if (IS_EMBEDDED || models.data == null) return null;
  const canAsk = models.data.can_ask;
  const hasFired = info.num_active_tokens > 0;
  const key = `${info.run} ${info.feature_id}`;
  return (
    <section
      id={ASK_ID}
      aria-label="Ask the model"
      tabIndex={-1}
      className="space-y-6 border-t border-line pt-4 outline-none print:border-0"
    >
      <div>
        <h2 className="text-base font-semibold">Ask the model</h2>
        <ModelsNote models={models.data} />
      </div>
      {canAsk && (
        <div className="no-print max-w-[110ch]">
          <YourText info={info} bands={bands} run={run} />
        </div>
      )}
      {hasFired && <Effects key={`effects ${key}`} info={info} canAsk={canAsk} />}
      {canAsk && hasFired && <Steering key={`steering ${key}`} info={info} />}
      {hasFired && <Graph key={`graph ${key}`} info={info} bands={bands} canAsk={canAsk} />}
    </section>
  );
}
