import * as zlib from "node:zlib";
import { messageOf, PlyError } from "../error.ts";
import { type Decompressor, type OutputSink, putAll } from "./decompressor.ts";
import { createZstdFrameWalker, type ZstdFrameWalker } from "./zstd-frame.ts";

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
  const walker = format === "zstd" ? createZstdFrameWalker() : undefined;
  let pushed = 0;
  let sink: OutputSink | undefined;
  let failure: unknown;
  /** The library has seen the stream's end: what comes now is behind it. */
  let isOver = false;
  /** Settles what a call waits for. */
  let settle: (() => void) | undefined;

  const corrupt = (what: string, cause?: unknown): PlyError =>
    new PlyError("corrupt", `${format}: ${what} (near byte ${pushed})`, {
      cause,
      details: { offset: pushed },
    });
  const fail = (error: unknown): void => {
    failure ??= error;
    stream.destroy();
    settle?.();
  };
  stream.on("data", (chunk: Buffer) => {
    try {
      if (failure !== undefined || sink === undefined) return;
      putAll(chunk, sink);
      const pause = sink.pause?.();
      if (pause === undefined) return;
      stream.pause();
      void pause.then(() => stream.resume());
    } catch (error) {
      fail(error);
    }
  });
  stream.on("error", (error) => fail(corrupt(meaningOf(error), error)));
  stream.on("end", () => {
    isOver = true;
    settle?.();
  });

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

  const push = async (input: Uint8Array): Promise<void> => {
    const before = pushed;
    pushed += input.length;
    checkFrames(walker, input, corrupt);
    if (!isOver) await settled(() => stream.write(input, () => settle?.()));
    // The library takes nothing behind the end; zeros there are padding.
    if (isOver && input.subarray(Math.max(0, stream.bytesWritten - before)).some((byte) => byte !== 0))
      throw corrupt("there is something behind the end");
  };

  return {
    push: (input, to) => {
      sink = to;
      return push(input);
    },
    end: async (to) => {
      sink = to;
      if (pushed === 0 || walker?.isWhole === false) throw corrupt("the stream ends too early");
      if (!isOver) await settled(() => stream.end());
    },
    close: () => {
      failure ??= new PlyError("cancelled", `${format}: closed`);
      stream.destroy();
    },
  };
}

function checkFrames(
  walker: ZstdFrameWalker | undefined,
  input: Uint8Array,
  corrupt: (what: string) => PlyError,
): void {
  const problem = walker?.push(input);
  if (problem !== undefined) throw corrupt(problem);
}

function meaningOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = messageOf(error);
  if (code === "Z_BUF_ERROR" || /unexpected end/i.test(message)) return "the stream ends too early";
  if (/incorrect (data|length) check/.test(message)) return "checksum or length do not match";
  return message;
}
