/** Why what was to be said of a feature isn't kept, and what to do. */

import { isUnauthorised } from "../../api";
import { AccessTokenField } from "../AccessTokenField";

export function LabelProblem({ error }: { error: Error }) {
  return (
    <div role="alert" className="space-y-1 text-danger wrap-anywhere">
      <p>Not saved: {isUnauthorised(error) ? "changing labels here needs the API’s token." : error.message}</p>
      {isUnauthorised(error) && (
        <div className="text-ink">
          <AccessTokenField />
        </div>
      )}
    </div>
  );
}
