import { PlyError } from "../error.ts";

/** Reads ranges of a stream that can be opened again, without opening it anew for each when they follow on. */
export interface ByteCursor {
  /** The bytes from `position` on, `length` of them; throws "corrupt" when the stream ends before. One reader at a time. */
  read(position: number, length: number): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

export function createByteCursor(open: () => AsyncIterable<Uint8Array>): ByteCursor {
  let chunks: AsyncIterator<Uint8Array> | undefined;
  /** Offset in the stream of the first byte of `rest`. */
  let at = 0;
  let rest: Uint8Array = new Uint8Array();

  const close = async (): Promise<void> => {
    const open = chunks;
    chunks = undefined;
    await open?.return?.();
  };

  /** Makes `rest` hold at least one byte; false at the end. */
  const fill = async (): Promise<boolean> => {
    while (rest.byteLength === 0) {
      const next = await chunks?.next();
      if (next === undefined || next.done === true) return false;
      rest = next.value;
    }
    return true;
  };

  const take = (most: number): Uint8Array => {
    const taken = rest.subarray(0, most);
    rest = rest.subarray(taken.byteLength);
    at += taken.byteLength;
    return taken;
  };

  return {
    close,
    async *read(position, length) {
      if (chunks === undefined || position < at) {
        await close();
        chunks = open()[Symbol.asyncIterator]();
        at = 0;
        rest = new Uint8Array();
      }
      const end = position + length;
      while (at < end) {
        if (!(await fill()))
          throw new PlyError("corrupt", `the content to upload ends at byte ${at}, before ${end}`);
        if (at < position) take(position - at);
        else yield take(end - at);
      }
    },
  };
}
