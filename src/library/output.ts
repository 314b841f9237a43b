import { decodeFrames } from "../wire/index.ts";

/** A piece of what a process printed. With a terminal all of it is "stdout". */
export interface Output {
  readonly stream: "stdout" | "stderr";
  readonly bytes: Uint8Array;
}

/** All that a process printed, as text. */
export interface PrintedText {
  readonly stdout: string;
  readonly stderr: string;
  /** Both, in the order in which they came. */
  readonly output: string;
}

/** Splits an answer of a container's or exec's streams. */
export async function* outputOf(
  chunks: AsyncIterable<Uint8Array>,
  options: { readonly tty: boolean },
): AsyncGenerator<Output> {
  if (options.tty) {
    for await (const bytes of chunks) yield { stream: "stdout", bytes };
    return;
  }
  for await (const { stream, bytes } of decodeFrames(chunks))
    yield { stream: stream === "stderr" ? "stderr" : "stdout", bytes };
}

export async function textOf(output: AsyncIterable<Output>): Promise<PrintedText> {
  const all: Output[] = [];
  for await (const piece of output) all.push({ ...piece, bytes: new Uint8Array(piece.bytes) });
  const join = (pieces: readonly Output[]): string =>
    Buffer.concat(pieces.map(({ bytes }) => bytes)).toString("utf8");
  return {
    stdout: join(all.filter(({ stream }) => stream === "stdout")),
    stderr: join(all.filter(({ stream }) => stream === "stderr")),
    output: join(all),
  };
}

/** Lines as they are completed; the last one too when it has no end. */
export async function* linesOf(output: AsyncIterable<Output>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pending = "";
  for await (const { bytes } of output) {
    pending += decoder.decode(bytes, { stream: true });
    const lines = pending.split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) yield line.replace(/\r$/, "");
  }
  if (pending !== "") yield pending;
}
