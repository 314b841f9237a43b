import { PlyError } from "../../error.ts";
import type { Connection } from "./connection.ts";

/** The start of an answer. Header names are in lower case. */
export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: ReadonlyMap<string, string>;
}

const MAX_HEAD_BYTES = 64 * 1024;
/** A chunk-size line is some hex digits and perhaps an extension. */
const MAX_CHUNK_LINE_BYTES = 4096;
const CRLF = Buffer.from("\r\n");
const HEAD_END = Buffer.from("\r\n\r\n");

/** The request line and headers; a name or value that would end a line is refused. */
export function formatRequestHead(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>>,
): string {
  let head = `${method} ${target} HTTP/1.1\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (/[\r\n\0]/.test(name + value)) throw new PlyError("invalid", `header ${name} holds a line break`);
    head += `${name}: ${value}\r\n`;
  }
  return `${head}\r\n`;
}

/** Reads the head of the final answer, passing over 1xx ones (but not 101, which is final). */
export async function readResponseHead(connection: Connection): Promise<ResponseHead> {
  for (;;) {
    const head = parseHead((await readThrough(connection, HEAD_END, MAX_HEAD_BYTES)).toString("latin1"));
    if (head.status === 101 || head.status >= 200) return head;
  }
}

function parseHead(text: string): ResponseHead {
  const [statusLine = "", ...lines] = text.split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(statusLine);
  if (status === null)
    throw new PlyError("corrupt", `not an HTTP answer: ${JSON.stringify(statusLine.slice(0, 80))}`, {
      hint: "check that a ply engine listens at this address",
    });
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(status[1]), reason: status[2] ?? "", headers };
}

/**
 * The body of an answer, as it arrives. `onEnd` is called once it was read to its end, saying whether the
 * connection may carry another request.
 */
export async function* readBody(
  connection: Connection,
  head: ResponseHead,
  onEnd: (reusable: boolean) => void,
): AsyncGenerator<Uint8Array> {
  const reusable = head.headers.get("connection")?.toLowerCase() !== "close";
  const length = head.headers.get("content-length");
  if (head.status === 204 || head.status === 304) {
    // No body, whatever the headers say (RFC 9112, section 6.3).
  } else if (head.headers.get("transfer-encoding")?.toLowerCase().includes("chunked")) {
    yield* readChunked(connection);
  } else if (length !== undefined) {
    if (!/^\d{1,15}$/.test(length))
      throw new PlyError("corrupt", `invalid Content-Length ${JSON.stringify(length)}`);
    yield* readExactly(connection, Number(length));
  } else {
    for (let chunk = await connection.read(); chunk !== undefined; chunk = await connection.read())
      yield chunk;
    onEnd(false);
    return;
  }
  onEnd(reusable);
}

async function* readChunked(connection: Connection): AsyncGenerator<Uint8Array> {
  for (;;) {
    const line = (await readThrough(connection, CRLF, MAX_CHUNK_LINE_BYTES)).toString("latin1");
    const size = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/.exec(line);
    if (size === null)
      throw new PlyError("corrupt", `invalid chunk size ${JSON.stringify(line.slice(0, 40))}`);
    const bytes = Number.parseInt(size[1] ?? "", 16);
    if (bytes === 0) break;
    yield* readExactly(connection, bytes);
    await readThrough(connection, CRLF, 2);
  }
  // Trailers, up to the empty line.
  while ((await readThrough(connection, CRLF, MAX_CHUNK_LINE_BYTES)).length > 0);
}

async function* readExactly(connection: Connection, bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; ) {
    const chunk = await connection.read();
    if (chunk === undefined) throw endedEarly();
    if (chunk.length > left) connection.unread(chunk.subarray(left));
    const part = chunk.subarray(0, left);
    left -= part.length;
    yield part;
  }
}

/** Bytes up to `mark`, which is taken too; at most `limit` bytes. */
async function readThrough(connection: Connection, mark: Buffer, limit: number): Promise<Buffer> {
  let seen: Buffer = Buffer.alloc(0);
  for (;;) {
    const chunk = await connection.read();
    if (chunk === undefined) throw endedEarly();
    const from = Math.max(0, seen.length - mark.length + 1);
    seen =
      seen.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
        : Buffer.concat([seen, chunk]);
    const at = seen.indexOf(mark, from);
    if (at >= 0) {
      connection.unread(seen.subarray(at + mark.length));
      return seen.subarray(0, at);
    }
    if (seen.length > limit + mark.length)
      throw new PlyError("corrupt", `the engine's answer has no line end within ${limit} bytes`);
  }
}

function endedEarly(): PlyError {
  return new PlyError("unavailable", "the engine closed the connection in the middle of its answer", {
    hint: "see whether it still runs: ply version",
  });
}

/**
 * Sends a body whose length is not known beforehand. Never rejects: a source that fails destroys the connection with
 * its error, which whoever reads the answer then gets; an engine that stops reading has said why in its answer.
 */
export async function uploadChunked(connection: Connection, body: AsyncIterable<Uint8Array>): Promise<void> {
  const source = body[Symbol.asyncIterator]();
  for (;;) {
    let next: IteratorResult<Uint8Array>;
    try {
      next = await source.next();
    } catch (error) {
      connection.destroy(error);
      return;
    }
    try {
      if (next.done === true) return await connection.write("0\r\n\r\n");
      const chunk = next.value;
      if (chunk.length === 0) continue;
      await connection.write(`${chunk.length.toString(16)}\r\n`);
      await connection.write(chunk);
      await connection.write(CRLF);
    } catch {
      await source.return?.();
      return;
    }
  }
}
