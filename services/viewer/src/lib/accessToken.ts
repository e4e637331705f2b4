/** The API's access token, kept for this tab's session and nowhere else. */

const KEY = "saescope-token";

/** The token that was typed in; "" if none was. */
export function readToken(): string {
  return sessionStorage.getItem(KEY) ?? "";
}

export function writeToken(token: string): void {
  if (token === "") sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, token);
}
