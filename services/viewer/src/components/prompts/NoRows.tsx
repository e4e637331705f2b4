/** What stands where there are no rows: shorter texts that do have some, and the ways back. */

import { Link } from "wouter";

import { formatPlural } from "../../lib/format";
import { promptsPath, type PromptsState } from "../../lib/promptState";
import { useTextParts } from "../../rowAndCompareQueries";
import { ContentPlaceholder } from "../ContentPlaceholder";
import { TokenPieces } from "../TokenPieces";

export function NoRows({ state }: { state: PromptsState }) {
  return (
    <ContentPlaceholder title="There are no such rows" level={2}>
      {state.text !== null && "Look for a shorter part of the text: capitals don’t count, spaces do. "}
      {state.from > 0 && (
        <Link href={promptsPath({ ...state, from: 0 })} className="text-accent underline">
          From the first row
        </Link>
      )}{" "}
      {state.column !== null && (
        <Link
          href={promptsPath({ ...state, column: null, value: null, contains: null })}
          className="text-accent underline"
        >
          Whatever is in the column
        </Link>
      )}
      <Parts state={state} />
    </ContentPlaceholder>
  );
}

/** Parts of the text with their numbers of rows. */
function Parts({ state }: { state: PromptsState }) {
  const found = useTextParts(state.text, state.run).data;
  if (found === undefined || found.parts.length === 0) return null;
  const there = found.parts.filter(({ num_rows: count }) => count > 0);
  const searched = found.next === null ? "" : ` among the first ${formatPlural(found.num_searched, "row")}`;
  if (there.length === 0) return <p className="mt-2">None of its parts is in any row{searched} either.</p>;
  return (
    <>
      <p className="mt-2">These are there{searched}:</p>
      <ul aria-label="Shorter texts" className="mt-1 space-y-0.5">
        {there.map(({ text, num_rows: count }) => (
          <li key={text}>
            <Link
              href={promptsPath({ run: state.run, text })}
              className="text-accent break-words underline tabular-nums"
            >
              “
              <bdi>
                <TokenPieces token={text} />
              </bdi>
              ”
            </Link>
            , {formatPlural(count, "row")}
          </li>
        ))}
      </ul>
    </>
  );
}
