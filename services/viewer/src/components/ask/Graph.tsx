/** The patterns of tokens that a feature fires on (neuron-to-graph), as a list within lists, and how well they predict it. */

import { useQueryClient } from "@tanstack/react-query";

import type { FeatureGraph, FeatureInfo } from "../../apiTypes";
import { useAnswerInParts } from "../../hooks/useAnswerInParts";
import type { Band } from "../../lib/bands";
import { bandAt } from "../../lib/bands";
import { formatPlural, formatStrength } from "../../lib/format";
import { describeScores, type DrawnNode, drawnNodes, type PatternToken } from "../../lib/graph";
import { askGraph } from "../../modelApi";
import { graphKey, useKeptGraph } from "../../modelQueries";
import { Swatch } from "../feature/BandedExamples";
import { TokenChip } from "../TokenChips";
import { AskHeading } from "./AskHeading";
import { AskProblem } from "./AskProblem";
import { AskProgress } from "./AskProgress";

type Props = { info: FeatureInfo; bands: Band[]; canAsk: boolean };

/** Nothing where nothing is kept and the models can't be asked. */
export function Graph({ info, bands, canAsk }: Props) {
  const client = useQueryClient();
  const kept = useKeptGraph(info.feature_id, info.run);
  const answer = useAnswerInParts<never, FeatureGraph>();
  const graph = answer.result ?? kept.data ?? null;

  const ask = async () => {
    const result = await answer.ask(askGraph(info.feature_id, info.run));
    if (result !== null) client.setQueryData(graphKey(info.feature_id, info.run), result);
  };
  if (!canAsk && graph === null) return null;
  return (
    <section aria-labelledby="patterns" className="min-w-0 space-y-2">
      <AskHeading
        id="patterns"
        title="Patterns that it fires on"
        verb="Find"
        canAsk={canAsk && graph === null && kept.data !== undefined}
        isAsking={answer.isAsking}
        hasFailed={answer.error !== null}
        onAsk={() => void ask()}
        onStop={answer.stop}
      />
      {kept.isError && <AskProblem error={kept.error} />}
      {answer.error !== null && <AskProblem error={answer.error} />}
      {answer.isAsking && <AskProgress progress={answer.progress} />}
      {graph === null ? (
        <p className="max-w-prose text-xs text-muted">
          From its examples: which tokens before the one that it fires on matter, and which may be any.
        </p>
      ) : (
        <Found graph={graph} bands={bands} />
      )}
    </section>
  );
}

function Found({ graph, bands }: { graph: FeatureGraph; bands: Band[] }) {
  const { nodes, leftOut } = drawnNodes(graph.roots);
  return (
    <>
      <p className="max-w-prose text-xs text-muted">
        Made from {formatPlural(graph.num_sources, "example")}. It fires on the last token of each line at the margin; a
        line below another stands directly before it in the text. A number says that a pattern ends there, and how
        strongly the feature is predicted to fire.
      </p>
      {nodes.length === 0 ? (
        <p>No pattern was found.</p>
      ) : (
        <div className="panel max-h-[60vh] overflow-auto px-3 py-2" tabIndex={0} role="region" aria-label="Patterns">
          <Nodes nodes={nodes} bands={bands} />
        </div>
      )}
      {leftOut > 0 && (
        <p className="text-xs text-muted">
          {formatPlural(leftOut, "more token")} of weaker patterns {leftOut === 1 ? "isn’t" : "aren’t"} drawn.
        </p>
      )}
      <ul aria-label="How well they predict it" className="max-w-prose">
        {describeScores(graph.scores).map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </>
  );
}

function Nodes({ nodes, bands }: { nodes: readonly DrawnNode[]; bands: Band[] }) {
  return (
    <ul className="[&_ul]:ms-3 [&_ul]:border-s [&_ul]:border-line [&_ul]:ps-3">
      {nodes.map((node, place) => (
        <li key={place}>
          <span className="flex w-max items-baseline gap-x-2 leading-6">
            {node.tokens.map((token, at) => (
              <PatternPart key={at} part={token} />
            ))}
            {node.activation !== null && (
              <span className="flex items-baseline gap-x-1 text-xs tabular-nums">
                <span className="sr-only">fires, </span>
                <Swatch heat={bandAt(bands, node.activation)?.heat ?? 1} />
                {formatStrength(node.activation)}
              </span>
            )}
          </span>
          {node.before.length > 0 && <Nodes nodes={node.before} bands={bands} />}
        </li>
      ))}
    </ul>
  );
}

function PatternPart({ part }: { part: PatternToken }) {
  if (part.kind === "token") return <TokenChip token={part.token} />;
  return (
    <span className="text-xs text-muted">
      {part.kind === "start"
        ? "the beginning of the text"
        : part.count === 1
          ? "any token"
          : `any ${part.count} tokens`}
    </span>
  );
}
