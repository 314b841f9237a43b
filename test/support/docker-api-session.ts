import { connect } from "node:net";
import type { ApiDescription } from "./docker-api-description.ts";

export interface CallOptions {
  /** Values for the template's names; `{id}` and `{name}` by what they stand for. */
  readonly at?: string;
  /** More of the path's names. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly body?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Requests by the names of the operations; every answer is held against the description. */
export interface ApiSession {
  /** Sends it and notes a status that was not expected or is not described; the JSON of the answer, else its text. */
  // biome-ignore lint/suspicious/noExplicitAny: bodies are checked by the description, tests reach into them
  call(operation: string, status: number, options?: CallOptions): Promise<any>;
  /** The same with `Upgrade`; what arrived until the connection was closed. */
  upgrade(operation: string, status: number, options?: CallOptions & { protocol?: string }): Promise<Buffer>;
  readonly exercised: ReadonlySet<string>;
  /** Counts as exercised: the test looks at its answer by itself. */
  excuse(operation: string): void;
  /** What was wrong with the answers, all of them: one test that fails tells everything. */
  readonly problems: readonly string[];
}

export function createApiSession(socket: string, description: ApiDescription): ApiSession {
  const exercised = new Set<string>();
  const problems: string[] = [];
  const targetOf = (operation: string, { at, path = {}, query }: CallOptions): [string, string] => {
    const [method = "", template = ""] = operation.split(" ");
    const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => path[name] ?? at ?? "missing");
    return [method, query === undefined ? filled : `${filled}?${new URLSearchParams(query)}`];
  };
  const judge = (operation: string, status: number, expected: number, contentType: string, text: string) => {
    exercised.add(operation);
    if (status !== expected)
      problems.push(`${operation}: ${status} in place of ${expected}: ${text.slice(0, 300)}`);
    const isOneValue = contentType === "application/json" && !text.trimEnd().includes("\n");
    const json: unknown = isOneValue && text !== "" ? JSON.parse(text) : undefined;
    problems.push(...description.check(operation, { status, contentType, json }));
    return json ?? text;
  };
  return {
    exercised,
    excuse: (operation) => void exercised.add(operation),
    problems,
    async call(operation, status, options = {}) {
      const [method, target] = targetOf(operation, options);
      const response = await fetch(`http://docker${target}`, {
        method,
        unix: socket,
        headers: {
          ...(options.json === undefined ? {} : { "Content-Type": "application/json" }),
          ...options.headers,
        },
        ...(options.json === undefined ? {} : { body: JSON.stringify(options.json) }),
        ...(options.body === undefined ? {} : { body: options.body }),
      });
      const text = await response.text();
      return judge(operation, response.status, status, response.headers.get("content-type") ?? "", text);
    },
    async upgrade(operation, status, options = {}) {
      const [method, target] = targetOf(operation, options);
      const body = options.json === undefined ? "" : JSON.stringify(options.json);
      const lines = Object.entries({
        Host: "docker",
        Connection: "Upgrade",
        Upgrade: options.protocol ?? "tcp",
        "Content-Type": "application/json",
        "Content-Length": String(body.length),
        ...options.headers,
      }).map(([name, value]) => `${name}: ${value}\r\n`);
      const answer = await exchange(socket, `${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
      const end = answer.indexOf("\r\n\r\n");
      const head = answer.subarray(0, end).toString("latin1");
      const contentType = /^content-type: (.*)$/im.exec(head)?.[1] ?? "";
      const rest = answer.subarray(end + 4);
      judge(operation, Number(head.split(" ")[1]), status, contentType, status >= 400 ? String(rest) : "");
      return rest;
    },
  };
}

function exchange(path: string, request: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect({ path }, () => socket.write(request));
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => resolve(Buffer.concat(chunks)));
    socket.on("end", () => socket.end());
  });
}
