/** The access token that writes to the API need; it stays in this tab's session. */

import { useId, useState } from "react";

import { readToken, writeToken } from "../lib/accessToken";

export function AccessTokenField() {
  const id = useId();
  const [token, setToken] = useState(readToken);
  return (
    <div className="max-w-sm">
      <label htmlFor={id} className="mb-0.5 block font-medium">
        Access token
      </label>
      <input
        id={id}
        className="control w-full"
        type="password"
        autoComplete="off"
        aria-describedby={`${id}-note`}
        value={token}
        onChange={(event) => {
          setToken(event.target.value);
          writeToken(event.target.value);
        }}
      />
      <p id={`${id}-note`} className="mt-0.5 text-xs text-muted">
        The value of SAESCOPE_API_TOKEN; forgotten when this tab is closed.
      </p>
    </div>
  );
}
