/** What people or models say that a feature stands for, each with who said it. */

import type { Explanation } from "../../apiTypes";
import { formatNumber } from "../../lib/format";

export function FeatureExplanations({ explanations }: { explanations: Explanation[] }) {
  if (explanations.length === 0) return null;
  return (
    <section aria-labelledby="explanations" className="panel px-4 py-3">
      <h2 id="explanations" className="mb-1 font-semibold">
        Explanations
      </h2>
      <ul className="space-y-1">
        {explanations.map(({ text, author, score }) => (
          <li key={`${author} ${text}`} className="break-words">
            <bdi>{text}</bdi>{" "}
            <span className="text-xs text-muted">
              <bdi>{author}</bdi>
              {score !== undefined && `, score ${formatNumber(score)}`}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
