/** Answers that come in parts, over a real HTTP server that sends them in pieces of any size. */

import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { afterEach, expect, test } from "vitest";

import { ApiError } from "../src/api";
import { askGraph } from "../src/modelApi";
import { GRAPH } from "./fakeModels";

declare const jsdom: { reconfigure(settings: { url: string }): void };
let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A server that answers so. */
async function answering(answer: (response: ServerResponse) => void): Promise<void> {
  server = createServer((request, response) => {
    request.resume();
    answer(response);
  });
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  jsdom.reconfigure({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
}

const ignoring = { onProgress: () => undefined, onPiece: () => undefined };
const asked = (listener = ignoring, signal = new AbortController().signal) => askGraph(3, "run")(listener, signal);

test("parts are the same however the network cuts them, also within a character", async () => {
  const lines = [{ progress: { done: 1, of: 2, what: "é…" } }, { result: { ...GRAPH, num_sources: 7 } }];
  const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  await answering((response) => {
    response.writeHead(200);
    void (async () => {
      for (const byte of bytes) await new Promise((resolve) => response.write(Buffer.of(byte), resolve));
      response.end();
    })();
  });
  const told: string[] = [];
  const result = await asked({ ...ignoring, onProgress: ({ what }: { what: string }) => told.push(what) } as never);
  expect(told).toEqual(["é…"]);
  expect(result.num_sources).toBe(7);
});

test("a problem that comes after other parts is an error with its sentence and status", async () => {
  await answering((response) => {
    response.end('{"progress":{"done":0,"of":0,"what":"x"}}\n{"problem":{"status":504,"error":"It took too long."}}\n');
  });
  await expect(asked()).rejects.toMatchObject({ message: "It took too long.", status: 504 });
});

test("a refusal is an error with the API's own sentence", async () => {
  await answering((response) => {
    response.writeHead(429, { "content-type": "application/json" }).end('{"error":"Wait 10 s."}');
  });
  await expect(asked()).rejects.toMatchObject({ message: "Wait 10 s.", status: 429 });
});

test.each([
  ["without a result", (response: ServerResponse) => response.end('{"progress":{"done":0,"of":0,"what":"x"}}\n')],
  ["in the middle of a line", (response: ServerResponse) => response.end('{"result":{"feat')],
  ["with something else", (response: ServerResponse) => response.end("<html>")],
])("an answer that ends %s is an error", async (_, answer) => {
  await answering(answer);
  await expect(asked()).rejects.toBeInstanceOf(ApiError);
});

test("who stops waiting closes the connection", async () => {
  let closed: Promise<unknown> = Promise.resolve();
  await answering((response) => {
    closed = once(response, "close");
    response.write('{"progress":{"done":0,"of":0,"what":"x"}}\n');
  });
  const controller = new AbortController();
  const waiting = asked(
    {
      ...ignoring,
      onProgress: () => {
        controller.abort();
      },
    },
    controller.signal,
  );
  await expect(waiting).rejects.toThrow();
  await closed;
});
