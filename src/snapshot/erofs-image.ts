import { createHash } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { writeErofs } from "../erofs/index.ts";
import { type ErrorKind, PlyError, throwIfAborted } from "../error.ts";
import { readInto } from "../host-file.ts";
import { createUnion, decodeIndex, sortTree } from "../layer/index.ts";
import type { ChainId } from "../oci/index.ts";
import { hexOf } from "../oci/index.ts";
import type { LayerStack, StackLayer } from "../store/index.ts";

/** Goes into the uuid: raised when the same layers begin to give other bytes. */
const FORMAT_VERSION = 1;
const UUID_LENGTH = 16;

export const tarPathOf = (layer: StackLayer): string => join(layer.dir, "layer.tar");

/** Where the merged image of a stack is. */
export function chainPath(root: string, chainId: ChainId): string {
  return join(root, "chains", hexOf(chainId));
}

/** What the thread that writes an image is told, and what it says at the end. */
export interface ChainJob {
  readonly stack: LayerStack;
  readonly path: string;
}
export type ChainOutcome =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly kind: ErrorKind;
      readonly message: string;
      readonly hint: string | undefined;
    };

/** Writes the merged EROFS image of a stack to a new file, synced. */
export async function writeChainFile(stack: LayerStack, path: string, signal?: AbortSignal): Promise<void> {
  const bytes = await chainImage(stack, signal);
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(bytes);
  await file.datasync();
}

/**
 * The bytes of a stack's merged image: a pure function of the layers. Other work gets its turn between the layers and
 * between the steps.
 */
export async function chainImage(stack: LayerStack, signal?: AbortSignal): Promise<Uint8Array> {
  const union = createUnion();
  for (const layer of stack.layers) {
    const encoded = await readIndex(layer);
    throwIfAborted(signal);
    union.apply(decodeIndex(encoded));
    await nextTurn();
  }
  throwIfAborted(signal);
  sortTree(union.root);
  const tars = openTars(stack.layers);
  try {
    return writeErofs(
      union.root,
      stack.layers.map((layer) => ({ tag: hexOf(layer.diffId).slice(0, 64), size: layer.tarSize })),
      { uuid: uuidOf(stack.chainId), readAt: tars.readAt },
    );
  } finally {
    tars.close();
  }
}

export async function readIndex(layer: StackLayer): Promise<Uint8Array> {
  try {
    return await readFile(join(layer.dir, "index"));
  } catch (error) {
    throw new PlyError("corrupt", `layer ${layer.diffId} has no readable index in ${layer.dir}`, {
      hint: "`ply system check --repair`, then pull the image again",
      cause: error,
    });
  }
}

function uuidOf(chainId: ChainId): Uint8Array {
  const hash = createHash("sha256").update(`ply erofs ${FORMAT_VERSION} ${chainId}`).digest();
  return hash.subarray(0, UUID_LENGTH);
}

interface Tars {
  readonly readAt: (device: number, offset: number, length: number) => Uint8Array;
  close(): void;
}

/** Opened one by one as they are asked for: only pieces of odd sparse files are ever read. */
function openTars(layers: readonly StackLayer[]): Tars {
  const open = new Map<number, number>();
  return {
    readAt(device, offset, length) {
      let fd = open.get(device);
      if (fd === undefined) {
        const layer = layers[device];
        if (layer === undefined) throw new PlyError("internal", `no layer ${device}`);
        fd = openSync(tarPathOf(layer), "r");
        open.set(device, fd);
      }
      const bytes = new Uint8Array(length);
      return bytes.subarray(0, readInto(fd, bytes, offset));
    },
    close() {
      for (const fd of open.values()) closeSync(fd);
    },
  };
}
