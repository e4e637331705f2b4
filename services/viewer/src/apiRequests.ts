/** Requests to the API: parameters into addresses, answers out of JSON, and sentences out of whatever goes wrong. */

import type { Label } from "./apiTypes";
import { readToken } from "./lib/accessToken";
import { absoluteUrl } from "./lib/basePath";
import { IS_EMBEDDED } from "./lib/embedded";

/** What the API or the network answered instead of data, as a sentence for the person at the screen. */
export class ApiError extends Error {
  /** The HTTP status, or null if there was no usable answer. */
  readonly status: number | null;
  /** The option that the API objects to, if it named one. */
  readonly field: string | null;
  /** What is said of the feature now, if somebody else was quicker to say it. */
  readonly label: Label | null;

  constructor(sentence: string, status: number | null, field: string | null = null, label: Label | null = null) {
    super(sentence);
    this.name = "ApiError";
    this.status = status;
    this.field = field;
    this.label = label;
  }
}

/** Whether the API's answer was that there is no such thing (yet), as against an answer that failed. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

/** Whether the API wants its token first. */
export function isUnauthorised(error: unknown): boolean {
  return error instanceof ApiError && error.status === 401;
}

/** Whether asking again later may help: nothing answered, or it could not. */
export function isTemporary(error: unknown): boolean {
  return error instanceof ApiError && (error.status === null || error.status >= 500);
}

const LOOKED_AT = "On a page that is part of another one things can only be looked at; open it in saescope.";
const UNREACHABLE =
  "The API doesn't answer. Start it with `saescope serve` or `docker compose up` (port 8765), then try again.";

/** What is asked; null leaves a parameter out. */
export type Query = Record<string, string | number | true | null>;

/** What the API answers. */
export function get<Payload>(path: string, parameters: Query, signal: AbortSignal | undefined): Promise<Payload> {
  return request<Payload>(address(path, parameters), {
    headers: { accept: "application/json" },
    signal: signal ?? null,
  });
}

/** The whole address of a path with parameters. */
export function address(path: string, parameters: Query): URL {
  const url = absoluteUrl(path);
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null) url.searchParams.set(name, String(value));
  }
  return url;
}

/** Change something; the answer is what the API says of it. An embedded page may not: its frame could hide what it is. */
export function write<Payload>(
  method: "POST" | "PUT" | "DELETE",
  path: string,
  body: object,
  parameters: Query = {},
): Promise<Payload> {
  if (IS_EMBEDDED) return Promise.reject(new ApiError(LOOKED_AT, null));
  const token = readToken();
  return request<Payload>(address(path, parameters), {
    method,
    headers: {
      accept: "application/json",
      "content-type": "application/json",
      ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
}

async function request<Payload>(url: URL, init: RequestInit): Promise<Payload> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new ApiError(UNREACHABLE, null);
  }
  const body = response.status === 204 ? null : await readJson(response);
  if (!response.ok) throw errorOf(body, response.status);
  return body as Payload;
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    // a proxy or another server answered: 5xx from the development proxy means that nothing listens behind it
    if (response.status >= 500) throw new ApiError(UNREACHABLE, response.status);
    throw new ApiError(
      `${response.url} answered with something that isn't JSON; is another server on this port?`,
      null,
    );
  }
}

function errorOf(body: unknown, status: number): ApiError {
  const { error, field, label } = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  return new ApiError(
    typeof error === "string" ? error : `The API answered with status ${status} and no explanation.`,
    status,
    typeof field === "string" ? field : null,
    typeof label === "object" ? (label as Label | null) : null,
  );
}
