/** What the dataset's own columns say of a row; each value leads to the rows that have it too. */

import { Link } from "wouter";

import { promptsPath } from "../../lib/promptState";
import { TokenPieces } from "../TokenPieces";

type Props = { columns: Readonly<Record<string, string | null>>; run: string | null };

const MOST_SEARCHED = 1000; // characters that the API looks for

export function RowColumns({ columns, run }: Props) {
  const values = Object.entries(columns);
  if (values.length === 0) return null;
  return (
    <dl aria-label="Columns of this row" className="flex flex-wrap gap-x-5 gap-y-1">
      {values.map(([name, value]) => (
        <div key={name} className="flex min-w-0 gap-1.5">
          <dt className="max-w-40 shrink-0 truncate text-muted">
            <bdi>
              <TokenPieces token={name} />
            </bdi>
          </dt>
          <dd className="line-clamp-3 min-w-0 break-words">
            {value === null || value === "" ? (
              <span className="text-muted">empty</span>
            ) : value.length > MOST_SEARCHED ? (
              <bdi>
                <TokenPieces token={value} />
              </bdi>
            ) : (
              <Link
                href={promptsPath({ run, column: name, value })}
                title="Rows with the same"
                className="text-accent hover:underline"
              >
                <bdi>
                  <TokenPieces token={value} />
                </bdi>
              </Link>
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}
