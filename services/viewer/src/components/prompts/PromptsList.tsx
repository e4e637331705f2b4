/** Some of the dataset's rows: text and strongest features, or why a row was skipped. */

import { Link } from "wouter";

import type { Prompt } from "../../apiTypes";
import { useTableKeyboard } from "../../hooks/useTableKeyboard";
import { excerpt } from "../../lib/excerpt";
import { promptPath } from "../../lib/promptState";
import { TokenPieces } from "../TokenPieces";
import { FeatureChipList } from "./FeatureChipList";

type ListProps = {
  prompts: Prompt[];
  run: string | null;
  /** What was searched for. */
  wanted: string | null;
  labelOf?: ((feature: number) => string | null) | undefined;
};

export function PromptsList({ prompts, run, wanted, labelOf }: ListProps) {
  const { body, onKeyDown } = useTableKeyboard<HTMLOListElement>("[data-row-link]");
  return (
    <ol ref={body} onKeyDown={onKeyDown} aria-label="Rows" className="panel divide-y divide-line">
      {prompts.map((prompt) => (
        <li
          key={prompt.row_id}
          // clipped, because piled-up combining marks would reach into other rows
          className="gap-x-4 overflow-clip px-3 py-2 sm:grid sm:grid-cols-[6rem_minmax(0,1fr)]"
        >
          <Link
            href={promptPath(prompt.row_id, run)}
            data-row-link=""
            className="text-accent tabular-nums hover:underline"
          >
            row {prompt.row_id}
          </Link>
          <div className="min-w-0 space-y-1.5">
            {prompt.text === null ? (
              <p className="text-muted">skipped: {prompt.skipped}</p>
            ) : (
              <Text text={prompt.text} isCut={prompt.is_cut} wanted={wanted} />
            )}
            <FeatureChipList
              label={`Features of row ${prompt.row_id}`}
              features={prompt.features}
              run={run}
              labelOf={labelOf}
            />
          </div>
        </li>
      ))}
    </ol>
  );
}

type TextProps = { text: string; isCut: boolean; wanted: string | null };

function Text({ text, isCut, wanted }: TextProps) {
  const parts = excerpt(text, wanted);
  const isFoundLater = wanted !== null && !parts.some(({ isMatch }) => isMatch);
  return (
    <>
      <p dir="auto" className="line-clamp-3 break-words whitespace-pre-wrap">
        {parts.map((part, position) =>
          part.isMatch ? (
            <mark key={position} className="rounded-xs bg-accent/25 text-ink">
              <TokenPieces token={part.text} />
            </mark>
          ) : (
            <TokenPieces key={position} token={part.text} />
          ),
        )}
        {isCut && "…"}
      </p>
      {isFoundLater && <p className="text-xs text-muted">The text that you look for is further on in this row.</p>}
    </>
  );
}
