/** What there is to compare: the runs that fit together, the groups of a run, or how there come to be any. */

import { Link } from "wouter";

import type { Run } from "../../apiTypes";
import { groupPart } from "../../lib/compareSides";
import { comparePath, type CompareState, DEFAULT_COMPARE_STATE } from "../../lib/compareState";
import { comparableRuns } from "../../lib/comparableRuns";
import { runTitle, visibleName } from "../../lib/runTitle";
import { ContentPlaceholder } from "../ContentPlaceholder";

const MOST_OFFERED = 5;

type Sides = Pick<CompareState, "a" | "b" | "partA" | "partB">;

type Props = {
  runs: Run[];
  /** The side that is chosen already, if one is. */
  chosen: string | null;
  /** Where a comparison of these sides is. */
  pathTo?: (sides: Sides) => string;
};

const listOf = (sides: Sides) => comparePath({ ...DEFAULT_COMPARE_STATE, ...sides });

export function HowToChoose({ runs, chosen, pathTo = listOf }: Props) {
  const now = new Date();
  const first = runs.find(({ id }) => id === chosen) ?? runs[0];
  const pairs = first === undefined ? [] : comparableRuns(first, runs).slice(0, MOST_OFFERED);
  const grouped = runs.filter(({ groups }) => groups.length > 1).slice(0, MOST_OFFERED);
  return (
    <ContentPlaceholder title={runs.length === 1 ? "There is only one run" : "Choose two runs"} level={2}>
      <p>
        The features of two runs with the same autoencoder and the same model, or of two groups of one run’s rows, are
        listed by how differently they fire.
      </p>
      {first !== undefined && pairs.length > 0 && (
        <Offers title={`With ${runTitle(first, now)}:`}>
          {pairs.map((run) => (
            <Link
              key={run.id}
              href={pathTo({ a: first.id, b: run.id, partA: null, partB: null })}
              className="break-words text-accent underline"
            >
              {runTitle(run, now)}
            </Link>
          ))}
        </Offers>
      )}
      {grouped.length > 0 && (
        <Offers title="Groups of one run:">
          {grouped.map((run) => {
            const [a, b] = [...run.groups].sort((x, y) => y.num_rows - x.num_rows);
            if (a === undefined || b === undefined) return null;
            return (
              <Link
                key={run.id}
                href={pathTo({ a: run.id, b: run.id, partA: groupPart(a.name), partB: groupPart(b.name) })}
                className="break-words text-accent underline"
              >
                {visibleName(a.name)} and {visibleName(b.name)} of {runTitle(run, now)}
              </Link>
            );
          })}
        </Offers>
      )}
      {runs.length === 1 && (
        <p className="mt-2">
          Make another run over other texts with <code>saescope run --source FILE</code>, or one whose rows have groups
          with <code>--group-by COLUMN</code>.
        </p>
      )}
    </ContentPlaceholder>
  );
}

function Offers({ title, children }: { title: string; children: React.ReactNode[] }) {
  return (
    <>
      <p className="mt-2 font-medium text-ink">{title}</p>
      <ul className="list-disc pl-5">
        {children.map((child, position) => (
          <li key={position}>{child}</li>
        ))}
      </ul>
    </>
  );
}
