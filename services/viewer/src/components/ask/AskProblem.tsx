/** Why the models gave no answer, in their own words, and what may help. */

import { isUnauthorised } from "../../api";
import { AccessTokenField } from "../AccessTokenField";
import { WithCode } from "../WithCode";

export function AskProblem({ error }: { error: Error }) {
  return (
    <div role="alert" className="space-y-1 text-danger wrap-anywhere">
      <p>
        <WithCode>{error.message}</WithCode>
      </p>
      {isUnauthorised(error) && (
        <div className="text-ink">
          <AccessTokenField />
        </div>
      )}
    </div>
  );
}
