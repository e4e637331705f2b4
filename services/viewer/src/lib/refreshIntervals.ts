/** How soon to ask the API again without being told to. */

import { isTemporary } from "../api";

/** Between two answers about a run that is going. */
export const LIVE_MS = 4000;
const RETRY_MS = 3000;

/** After which time to ask again what ended in this error; false if it did not, or if the answer would be the same. */
export function retryAfter(error: Error | null): number | false {
  return isTemporary(error) && RETRY_MS;
}
