import * as zlib from "node:zlib";
import { messageOf, PlyError } from "../error.ts";
import { type Decompressor, type OutputSink, putAll } from "./decompressor.ts";

/** Output per call into zlib; its default of 16 KiB costs half the speed. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Gunzip or unzstd by `node:zlib`, which works in a thread of its own: the caller has the time in between.
 * Throws "unsupported" where Node is too old for zstd.
 */
export function createZlibDecompressor(format: "gzip" | "zstd"): Decompressor {
  if (format === "zstd" && zlib.createZstdDecompress === undefined)
    throw new PlyError("unsupported", "this Node cannot read zstd", {
      hint: "use Node 22.15 or later, or Bun",
    });
  const stream =
    format === "gzip"
      ? zlib.createGunzip({ chunkSize: CHUNK_BYTES })
      : zlib.createZstdDecompress({ chunkSize: CHUNK_BYTES });
  let consumed = 0;
  let sink: OutputSink | undefined;
  let failure: unknown;
  /** Settles what a call waits for. */
  let settle: (() => void) | undefined;

  const fail = (error: unknown): void => {
    failure ??= error;
    stream.destroy();
    settle?.();
  };
  stream.on("data", (chunk: Buffer) => {
    try {
      if (failure === undefined && sink !== undefined) putAll(chunk, sink);
    } catch (error) {
      fail(error);
    }
  });
  stream.on("error", (error) => fail(describe(error, format, consumed)));
  stream.on("end", () => settle?.());

  const settled = (start: () => void): Promise<void> =>
    new Promise((resolve, reject) => {
      settle = () => {
        settle = undefined;
        if (failure === undefined) resolve();
        else reject(failure);
      };
      if (failure === undefined) start();
      else settle();
    });

  return {
    push: (input, to) => {
      sink = to;
      consumed += input.length;
      return settled(() => stream.write(input, () => settle?.()));
    },
    end: (to) => {
      sink = to;
      return settled(() => stream.end());
    },
    close: () => {
      failure ??= new PlyError("cancelled", `${format}: closed`);
      stream.destroy();
    },
  };
}

function describe(error: unknown, format: string, consumed: number): PlyError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const what =
    code === "Z_BUF_ERROR" || /unexpected end/i.test(messageOf(error))
      ? "the stream ends too early"
      : /incorrect (data|length) check/.test(messageOf(error))
        ? "checksum or length do not match"
        : messageOf(error);
  return new PlyError("corrupt", `${format}: ${what} (near byte ${consumed})`, {
    cause: error,
    details: { offset: consumed },
  });
}
