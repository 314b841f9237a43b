/** Magic numbers, little-endian (RFC 8878, 3.1). */
const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;

/** Longest frame header: magic, descriptor, window, dictionary, content size. */
const MAX_HEADER = 4 + 1 + 1 + 4 + 8;

/**
 * Follows the frames and blocks of a zstd stream without looking into them, to know whether it is whole:
 * `node:zlib` says nothing of a stream that is cut.
 */
export interface ZstdFrameWalker {
  /** Returns what is wrong with the stream, if it is. */
  push(bytes: Uint8Array): string | undefined;
  /** True where a stream may end: after one or more whole frames. */
  readonly isWhole: boolean;
}

export function createZstdFrameWalker(): ZstdFrameWalker {
  const held = new Uint8Array(MAX_HEADER);
  const view = new DataView(held.buffer);
  let heldBytes = 0;
  /** Bytes of the present item to gather before it can be read. */
  let wanted = 4;
  let item: "magic" | "skippableSize" | "frameHeader" | "blockHeader" = "magic";
  let skip = 0;
  let frames = 0;
  let hasChecksum = false;

  const expect = (what: typeof item, bytes: number): void => {
    item = what;
    wanted = bytes;
  };

  /** Reads what was gathered; returns what is wrong. */
  const readItem = (): string | undefined => {
    switch (item) {
      case "magic": {
        const magic = view.getUint32(0, true);
        if (magic === FRAME_MAGIC) expect("frameHeader", 1);
        else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) expect("skippableSize", 4);
        else return frames > 0 ? "there is something behind the end" : "not a zstd frame";
        break;
      }
      case "skippableSize":
        skip = view.getUint32(0, true);
        frames++;
        expect("magic", 4);
        break;
      case "frameHeader": {
        const descriptor = held[0] ?? 0;
        hasChecksum = (descriptor & 4) !== 0;
        skip = frameHeaderRest(descriptor);
        expect("blockHeader", 3);
        break;
      }
      case "blockHeader": {
        const header = (held[0] ?? 0) | ((held[1] ?? 0) << 8) | ((held[2] ?? 0) << 16);
        const type = (header >> 1) & 3;
        if (type === 3) return "a block of a reserved type";
        // A block of one repeated byte states the length of its output.
        skip = type === 1 ? 1 : header >> 3;
        if ((header & 1) === 0) break;
        if (hasChecksum) skip += 4;
        frames++;
        expect("magic", 4);
        break;
      }
    }
    return undefined;
  };

  return {
    push: (bytes) => {
      for (let at = 0; at < bytes.length; ) {
        if (skip > 0) {
          const step = Math.min(skip, bytes.length - at);
          skip -= step;
          at += step;
          continue;
        }
        held[heldBytes++] = bytes[at++] ?? 0;
        if (heldBytes < wanted) continue;
        const problem = readItem();
        if (problem !== undefined) return problem;
        heldBytes = 0;
      }
      return undefined;
    },
    get isWhole() {
      return frames > 0 && item === "magic" && skip === 0 && heldBytes === 0;
    },
  };
}

/** Bytes of a frame's header behind its descriptor (RFC 8878, 3.1.1.1). */
function frameHeaderRest(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const contentSize = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  return (isSingleSegment ? 0 : 1) + dictionary + contentSize;
}
