import { PlyError } from "../error.ts";
import {
  answeredError,
  decodeBuildAnswer,
  type PlyBuildContent,
  type PlyBuildMessage,
} from "../wire/index.ts";

export type Built = Extract<PlyBuildMessage, { readonly type: "built" }>;
export type Failed = Extract<PlyBuildMessage, { readonly type: "error" }>;

/** Tells a build until its end; the bytes of each output go to `take`, and what it leaves unread to nobody. */
export async function follow(
  answer: AsyncIterable<Uint8Array>,
  show: (message: PlyBuildMessage) => void,
  take: (output: number, content: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<Built | Failed> {
  const messages = decodeBuildAnswer(answer);
  let last: Built | Failed | undefined;
  try {
    for (let next = await messages.next(); next.done !== true; next = await messages.next()) {
      const message = next.value;
      if (message.type === "content") {
        const content = contentFrom(message, messages);
        // Without `return`: who leaves the loop early has not read it all.
        await take(message.output, { [Symbol.asyncIterator]: () => ({ next: () => content.next() }) });
        while ((await content.next()).done !== true);
        continue;
      }
      show(message);
      if (message.type === "built" || message.type === "error") last = message;
    }
  } finally {
    await messages.return(undefined);
  }
  if (last === undefined)
    throw new PlyError("unavailable", "the engine closed the connection in the middle of the build");
  return last;
}

/** The bytes of one output, which come without anything between them. */
async function* contentFrom(
  first: PlyBuildContent,
  messages: ReturnType<typeof decodeBuildAnswer>,
): AsyncGenerator<Uint8Array, void> {
  for (let content = first; content.bytes.length > 0; ) {
    yield content.bytes;
    const next = await messages.next();
    const message = next.done === true ? undefined : next.value;
    if (message?.type === "error") throw answeredError(0, message.error);
    if (message?.type !== "content")
      throw new PlyError("unavailable", "the engine closed the connection in the middle of an output");
    content = message;
  }
}
