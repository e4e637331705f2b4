/** One option of the header's search. */

import type { Prompt } from "../../apiTypes";
import { excerpt } from "../../lib/excerpt";
import { formatPlural } from "../../lib/format";
import type { Target } from "../../lib/search";
import { FeatureName } from "../labels/FeatureName";
import { TokenChip, TokenChips } from "../TokenChips";
import { TokenPieces } from "../TokenPieces";

const TOKENS_SHOWN = 3;
const BEFORE = 24; // characters before what was found
const MOST_CHARACTERS = 160;

export function SearchTarget({ target, run }: { target: Target; run: string | null }) {
  switch (target.kind) {
    case "feature":
      return (
        <>
          <FeatureName id={target.featureId} run={run} />{" "}
          <TokenChips tokens={target.feature?.tokens?.slice(0, TOKENS_SHOWN) ?? []} />
        </>
      );
    case "features":
      return (
        <>
          {target.count === null ? "features" : formatPlural(target.count, "feature")} on tokens with{" "}
          <TokenChip token={target.token} />
        </>
      );
    case "rows":
      return (
        <>
          rows with “
          <bdi>
            <TokenPieces token={target.text} />
          </bdi>
          ”
        </>
      );
    case "row":
      return <Row prompt={target.prompt} wanted={target.text} />;
  }
}

function Row({ prompt, wanted }: { prompt: Prompt; wanted: string }) {
  return (
    <>
      <span className="text-faint tabular-nums">row {prompt.row_id}</span>{" "}
      <bdi>
        {excerpt(prompt.text ?? "", wanted, BEFORE).map(({ text, isMatch }, position) =>
          isMatch ? (
            <b key={position}>
              <TokenPieces token={text} />
            </b>
          ) : (
            <TokenPieces key={position} token={text.slice(0, MOST_CHARACTERS)} />
          ),
        )}
      </bdi>
    </>
  );
}
