import { PlyError } from "../error.ts";

/** A longer line is refused: nobody sends one in good faith. */
const MAX_JSON_LINE_BYTES = 16 * 1024 * 1024;

/** One value as one line of a JSON stream (Docker's progress streams, `/events`, `/ply` streams). */
export function encodeJsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\r\n`;
}

/**
 * The values of a JSON-lines stream, in order, as soon as their line is complete. Blank lines are passed over;
 * JSON-seq record separators too. Throws "corrupt" at a line that is not JSON or is too long.
 */
export async function* decodeJsonLines(
  chunks: AsyncIterable<Uint8Array>,
  options: { readonly maxLineBytes?: number } = {},
): AsyncGenerator<unknown> {
  const limit = options.maxLineBytes ?? MAX_JSON_LINE_BYTES;
  const decoder = new TextDecoder();
  const pending: string[] = [];
  let pendingLength = 0;
  for await (const chunk of chunks) {
    let text = decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      pending.push(text.slice(0, end));
      text = text.slice(end + 1);
      const line = pending.join("");
      pending.length = 0;
      pendingLength = 0;
      if (!isBlank(line)) yield parseLine(line);
    }
    pending.push(text);
    pendingLength += text.length;
    if (pendingLength > limit)
      throw new PlyError("corrupt", `a line of the stream is longer than ${limit} characters`);
  }
  pending.push(decoder.decode());
  const rest = pending.join("");
  if (!isBlank(rest)) yield parseLine(rest);
}

function isBlank(line: string): boolean {
  return /^[\s\x1e]*$/.test(line);
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line.charCodeAt(0) === 0x1e ? line.slice(1) : line);
  } catch (cause) {
    throw new PlyError("corrupt", `a line of the stream is not JSON: ${JSON.stringify(line.slice(0, 80))}`, {
      cause,
    });
  }
}
