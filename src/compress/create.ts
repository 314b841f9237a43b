import type { Isal } from "../linux/index.ts";
import { type Decompressor, putAll } from "./decompressor.ts";
import type { Compression } from "./detect.ts";
import { createIsalGunzip } from "./gunzip-isal.ts";
import { createZlibDecompressor } from "./zlib-decompressor.ts";

/** Makes a decompressor; gzip goes through ISA-L when it is given one (`openIsal` of linux/). Throws "unsupported". */
export function createDecompressor(compression: Compression, isal: Isal | undefined): Decompressor {
  switch (compression) {
    case "none":
      return PASS;
    case "gzip":
      return isal === undefined ? createZlibDecompressor("gzip") : createIsalGunzip(isal);
    case "zstd":
      return createZlibDecompressor("zstd");
    default:
      throw new Error(`unhandled compression ${compression satisfies never}`);
  }
}

const PASS: Decompressor = {
  push: (input, sink) => {
    putAll(input, sink);
    return undefined;
  },
  end: () => undefined,
  close: () => undefined,
};
