import { PlyError } from "../error.ts";
import type { PlyBuildMessage } from "./ply-build.ts";

/** Bytes of an output, in order; none: it is whole. */
export interface PlyBuildContent {
  readonly type: "content";
  /** Which of the request's outputs. */
  readonly output: number;
  readonly bytes: Uint8Array;
}

/** No message is longer: the text of a step's output is cut into pieces. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
const NEWLINE = 0x0a;

/**
 * The messages of a build's answer, and between them the bytes that follow each `content` message. Throws "corrupt" at
 * what is neither, and at an answer that ends within one.
 */
export async function* decodeBuildAnswer(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Exclude<PlyBuildMessage, { readonly type: "content" }> | PlyBuildContent> {
  let line: Uint8Array[] = [];
  let lineBytes = 0;
  let content: { readonly output: number; left: number } | undefined;
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; ) {
      if (content !== undefined) {
        const bytes = chunk.subarray(at, at + content.left);
        at += bytes.length;
        content.left -= bytes.length;
        yield { type: "content", output: content.output, bytes };
        if (content.left === 0) content = undefined;
        continue;
      }
      const end = chunk.indexOf(NEWLINE, at);
      const piece = chunk.subarray(at, end < 0 ? chunk.length : end);
      at += piece.length + 1;
      line.push(piece);
      lineBytes += piece.length;
      if (lineBytes > MAX_LINE_BYTES)
        throw new PlyError("corrupt", `a line of the build's answer is longer than ${MAX_LINE_BYTES} bytes`);
      if (end < 0) continue;
      const message = parseMessage(Buffer.concat(line, lineBytes).toString("utf8"));
      line = [];
      lineBytes = 0;
      if (message === undefined) continue;
      if (message.type !== "content") yield message;
      else if (message.bytes > 0) content = { output: message.output, left: message.bytes };
      else yield { type: "content", output: message.output, bytes: new Uint8Array(0) };
    }
  if (content !== undefined || lineBytes > 0)
    throw new PlyError("unavailable", "the engine closed the connection in the middle of the build");
}

function parseMessage(text: string): PlyBuildMessage | undefined {
  if (text.trim() === "") return undefined;
  try {
    return JSON.parse(text) as PlyBuildMessage;
  } catch (cause) {
    throw new PlyError("corrupt", `a line of the build's answer is not JSON: ${text.slice(0, 80)}`, {
      cause,
    });
  }
}
