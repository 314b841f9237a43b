import { connect } from "node:net";

/** A connection that the API handed over, with what has come on it. */
export interface HijackedConnection {
  /** All that was sent after the head, once the other side has ended. */
  readonly all: Promise<Buffer>;
  write(bytes: string | Uint8Array): void;
  /** Nothing more is sent; answers still come. */
  end(): void;
}

/** `POST path` with Upgrade; resolves when the engine has answered 101. */
export function hijack(socket: string, path: string, body = ""): Promise<HijackedConnection> {
  return new Promise((resolve, reject) => {
    const connection = connect({ path: socket, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    const all = Promise.withResolvers<Buffer>();
    let isUpgraded = false;
    const fail = (error: Error) => {
      reject(error);
      all.reject(error);
      all.promise.catch(() => undefined);
    };
    connection.on("error", fail);
    connection.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      if (isUpgraded) return;
      const text = Buffer.concat(chunks);
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      if (!text.toString("latin1").startsWith("HTTP/1.1 101 ")) return fail(new Error(text.toString()));
      isUpgraded = true;
      chunks.splice(0, chunks.length, text.subarray(end + 4));
      resolve({
        all: all.promise,
        write: (bytes) => void connection.write(bytes),
        end: () => void connection.end(),
      });
    });
    connection.on("end", () => {
      connection.end();
      all.resolve(Buffer.concat(chunks));
    });
    const length = Buffer.byteLength(body);
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json`;
    connection.write(`${head}\r\nContent-Length: ${length}\r\n\r\n${body}`);
  });
}

/** What frames of Docker's multiplexed streams hold, by stream. */
export function unframe(bytes: Buffer): { readonly stdout: Buffer; readonly stderr: Buffer } {
  const parts: [Buffer[], Buffer[]] = [[], []];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    parts[bytes[at] === 1 ? 0 : 1].push(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return { stdout: Buffer.concat(parts[0]), stderr: Buffer.concat(parts[1]) };
}
