import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { LayerEntry } from "../../layer/index.ts";
import type { LayerRecord } from "../../store/index.ts";

const CHUNK_BYTES = 256 * 1024;

/** Reads the files of two layers side by side; dispose it when done. */
export async function openContents(
  before: LayerRecord,
  after: LayerRecord,
): Promise<AsyncDisposable & { isSame(before: LayerEntry, after: LayerEntry): Promise<boolean> }> {
  await using stack = new AsyncDisposableStack();
  const [old, now] = [
    stack.use(await open(join(before.dir, "layer.tar"))),
    stack.use(await open(join(after.dir, "layer.tar"))),
  ];
  const held = stack.move();
  return {
    isSame: async (a, b) =>
      JSON.stringify(a.extents) === JSON.stringify(b.extents) &&
      (await isSameRange(old, a.offset, now, b.offset, storedBytes(a))),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

/** Holes are not stored. */
function storedBytes({ size, extents }: LayerEntry): number {
  return extents === undefined ? size : extents.reduce((sum, { length }) => sum + length, 0);
}

async function isSameRange(
  before: FileHandle,
  beforeAt: number,
  after: FileHandle,
  afterAt: number,
  length: number,
): Promise<boolean> {
  const [a, b] = [Buffer.alloc(CHUNK_BYTES), Buffer.alloc(CHUNK_BYTES)];
  for (let done = 0; done < length; ) {
    const wanted = Math.min(CHUNK_BYTES, length - done);
    const { bytesRead } = await before.read(a, 0, wanted, beforeAt + done);
    const other = await after.read(b, 0, bytesRead, afterAt + done);
    if (bytesRead === 0 || other.bytesRead !== bytesRead) return false;
    if (!a.subarray(0, bytesRead).equals(b.subarray(0, bytesRead))) return false;
    done += bytesRead;
  }
  return true;
}
