import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";

export interface ScriptedRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface ScriptedAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Uint8Array;
}

/** A loopback HTTP server that answers as a function says, and remembers what it was asked. */
export interface ScriptedServer extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly requests: ScriptedRequest[];
}

/** `/v2/` is answered as a registry without authentication does, unless the script has an answer to it. */
export async function startScriptedServer(
  script: (request: ScriptedRequest, host: string) => ScriptedAnswer | undefined,
): Promise<ScriptedServer> {
  const requests: ScriptedRequest[] = [];
  let host = "";
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const seen: ScriptedRequest = {
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      requests.push(seen);
      const answer = script(seen, host) ?? { status: seen.path === "/v2/" ? 200 : 404 };
      response.writeHead(answer.status ?? 200, answer.headers ?? {});
      response.end(answer.body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  host = `127.0.0.1:${address.port}`;
  return {
    host,
    requests,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
