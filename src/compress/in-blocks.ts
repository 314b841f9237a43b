/** A stream as blocks of one size, but for the last; each has memory of its own. Chunks of the source are copied. */
export async function* inBlocks(
  source: AsyncIterable<Uint8Array>,
  blockBytes: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  let block = new Uint8Array(blockBytes);
  let filled = 0;
  for await (const chunk of source)
    for (let at = 0; at < chunk.length; ) {
      const step = Math.min(chunk.length - at, blockBytes - filled);
      block.set(chunk.subarray(at, at + step), filled);
      at += step;
      filled += step;
      if (filled < blockBytes) continue;
      yield block;
      block = new Uint8Array(blockBytes);
      filled = 0;
    }
  if (filled > 0) yield block.subarray(0, filled);
}
