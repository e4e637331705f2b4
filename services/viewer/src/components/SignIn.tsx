/** What is shown instead of the pages while the API wants its token for reading. */

import { useId, useState } from "react";

import { signIn } from "../api";
import { writeToken } from "../lib/accessToken";

export function SignIn({ onSignedIn }: { onSignedIn: () => void }) {
  const id = useId();
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const submit = async () => {
    try {
      await signIn(token);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      return;
    }
    writeToken(token);
    onSignedIn();
  };
  return (
    <main className="panel mx-auto my-10 max-w-xl px-6 py-5">
      <h1 className="mb-1 font-semibold">This server asks for its token</h1>
      <p className="mb-3 text-muted">
        It is the value of SAESCOPE_API_TOKEN, which whoever runs the server has. This browser keeps a cookie until it
        is closed.
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <label htmlFor={id} className="mb-0.5 block font-medium">
          Token
        </label>
        <div className="flex flex-wrap gap-2">
          <input
            id={id}
            className="control min-w-60 grow"
            type="password"
            autoComplete="current-password"
            required
            value={token}
            onChange={(event) => {
              setToken(event.target.value);
            }}
          />
          <button type="submit" className="control">
            Open
          </button>
        </div>
        {problem !== null && (
          <p role="alert" className="mt-2 break-words text-danger">
            {problem}
          </p>
        )}
      </form>
    </main>
  );
}
