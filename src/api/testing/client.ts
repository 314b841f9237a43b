import { mkdtemp, rm } from "node:fs/promises";
import { type IncomingHttpHeaders, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApiServer, listen } from "../index.ts";
import { type FakeEngine, type FakeParts, fakeEngine, NOW } from "./fake-engine.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  json(): unknown;
  /** The body's lines as JSON. */
  lines(): unknown[];
}

export interface TestApi extends AsyncDisposable {
  readonly engine: FakeEngine;
  readonly socketPath: string;
  readonly logged: string[];
  call(
    method: string,
    path: string,
    options?: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<Answer>;
}

/** The API over a fake engine on a socket of its own. */
export async function testApi(parts: FakeParts = {}): Promise<TestApi> {
  const dir = await mkdtemp(join(tmpdir(), "ply-api-"));
  const socketPath = join(dir, "ply.sock");
  const engine = fakeEngine(parts);
  const logged: string[] = [];
  const server = createApiServer({ engine, log: (line) => logged.push(line), clock: () => NOW });
  await listen(server, { kind: "unix", path: socketPath });
  return {
    engine,
    socketPath,
    logged,
    call: (method, path, options = {}) => callSocket(socketPath, method, path, options),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function callSocket(
  socketPath: string,
  method: string,
  path: string,
  options: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> },
): Promise<Answer> {
  const { body } = options;
  const payload =
    body === undefined || typeof body === "string" || body instanceof Uint8Array
      ? body
      : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, headers: options.headers, agent: false }, (response) => {
      const chunks: Uint8Array[] = [];
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: () => JSON.parse(text),
          lines: () =>
            text
              .split(/\r?\n/)
              .filter((line) => line !== "")
              .map((line): unknown => JSON.parse(line)),
        });
      });
    });
    sent.on("error", reject);
    sent.end(payload);
  });
}
