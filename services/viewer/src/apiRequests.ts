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
  return send<Payload>(method, address(path, parameters), JSON.stringify(body), "application/json");
}

/** The same with lines of JSON. */
export function writeLines<Payload>(path: string, lines: string, parameters: Query): Promise<Payload> {
  return send<Payload>("POST", address(path, parameters), lines, LINES);
}

/** Ask for something that costs: the answer, whole. An embedded page may not. */
export function ask<Payload>(path: string, body: object, parameters: Query, signal?: AbortSignal): Promise<Payload> {
  return send<Payload>("POST", address(path, parameters), JSON.stringify(body), "application/json", signal);
}

/**
 * The same for an answer that comes in parts, a line of JSON each; `onPart` gets them as they come. Ends with the answer,
 * or when `signal` says so, which also tells the API that nobody waits any more.
 */
export async function askInParts(
  path: string,
  body: object,
  parameters: Query,
  onPart: (part: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  const url = address(path, parameters);
  const response = await fetched(url, written("POST", JSON.stringify(body), "application/json", LINES, signal));
  if (!response.ok) throw errorOf(await readJson(response), response.status);
  if (response.body === null) return;
  try {
    for await (const line of linesOf(response.body)) onPart(JSON.parse(line));
  } catch (error) {
    if (signal.aborted || error instanceof ApiError) throw error;
    throw new ApiError(BROKEN_OFF, null);
  }
}

const LINES = "application/x-ndjson";
const BROKEN_OFF = "The answer broke off before its end; try again.";

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield line;
    if (done) break;
  }
  if (rest.trim() !== "") yield rest;
}

async function send<Payload>(
  method: string,
  url: URL,
  body: string,
  type: string,
  signal?: AbortSignal,
): Promise<Payload> {
  return request<Payload>(url, written(method, body, type, "application/json", signal));
}

/** A request that changes something, or costs. */
function written(method: string, body: string, type: string, accept: string, signal?: AbortSignal): RequestInit {
  if (IS_EMBEDDED) throw new ApiError(LOOKED_AT, null);
  const token = readToken();
  return {
    method,
    headers: { accept, "content-type": type, ...(token === "" ? {} : { authorization: `Bearer ${token}` }) },
    body,
    signal: signal ?? null,
  };
}

async function request<Payload>(url: URL, init: RequestInit): Promise<Payload> {
  const response = await fetched(url, init);
  const body = response.status === 204 ? null : await readJson(response);
  if (!response.ok) throw errorOf(body, response.status);
  return body as Payload;
}

async function fetched(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new ApiError(UNREACHABLE, null);
  }
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
