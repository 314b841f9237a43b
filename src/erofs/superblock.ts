import { PlyError } from "../error.ts";
import { crc32c } from "./checksum.ts";
import { damaged, safe } from "./damage.ts";
import {
  COMPAT,
  DEVICE,
  DEVICE_SLOT_LENGTH,
  INCOMPAT,
  MAGIC,
  SUPERBLOCK,
  SUPERBLOCK_LENGTH,
  SUPERBLOCK_OFFSET,
} from "./format.ts";

const MIN_BLOCK_BITS = 9;
const MAX_BLOCK_BITS = 16;

/** Exactly `length` bytes from `offset` on, or a throw. */
export type ReadBytes = (offset: number, length: number) => Buffer;

/** An extra device. */
export interface DeviceSlot {
  readonly tag: string;
  /** Bytes, whole blocks. */
  readonly length: number;
  /** In the unified address space. */
  readonly firstBlock: number;
}

/** What the superblock says, in bytes from the image's start where it is a place. */
export interface Superblock {
  readonly blockLength: number;
  readonly rootNid: number;
  readonly inodeCount: number;
  /** Bytes from the image's start: inode number 0, shared attributes, device table. */
  readonly metaAt: number;
  readonly xattrAt: number;
  readonly devicesAt: number;
  readonly deviceCount: number;
  readonly epoch: number;
  readonly epochNanos: number;
  readonly uuid: Uint8Array;
}

/** Reads and checks it. */
export function readSuperblock(read: ReadBytes, size: number): Superblock {
  if (size < SUPERBLOCK_OFFSET + SUPERBLOCK_LENGTH) throw damaged("too short");
  const bytes = read(SUPERBLOCK_OFFSET, SUPERBLOCK_LENGTH);
  if (bytes.readUInt32LE(SUPERBLOCK.magic) !== MAGIC) throw damaged("no EROFS magic");
  const blockBits = bytes.readUInt8(SUPERBLOCK.blockBits);
  if (blockBits < MIN_BLOCK_BITS || blockBits > MAX_BLOCK_BITS) throw damaged(`block size 2^${blockBits}`);
  const features = bytes.readUInt32LE(SUPERBLOCK.featureIncompat);
  const unknown = features & ~(INCOMPAT.chunkedFile | INCOMPAT.deviceTable);
  if (unknown !== 0) throw new PlyError("unsupported", `EROFS features 0x${unknown.toString(16)}`);
  if (bytes.readUInt8(SUPERBLOCK.directoryBits) !== 0) throw damaged("directory block size");
  const blockLength = 2 ** blockBits;
  if ((bytes.readUInt32LE(SUPERBLOCK.featureCompat) & COMPAT.checksum) !== 0) {
    const covered = blockLength > SUPERBLOCK_OFFSET ? blockLength - SUPERBLOCK_OFFSET : blockLength;
    const block = Uint8Array.from(read(SUPERBLOCK_OFFSET, covered));
    block.fill(0, SUPERBLOCK.checksum, SUPERBLOCK.checksum + 4);
    if (crc32c(block) !== bytes.readUInt32LE(SUPERBLOCK.checksum)) throw damaged("superblock checksum");
  }
  return {
    blockLength,
    rootNid: bytes.readUInt16LE(SUPERBLOCK.rootNid),
    inodeCount: safe(bytes.readBigUInt64LE(SUPERBLOCK.inodeCount), "inode count"),
    metaAt: bytes.readUInt32LE(SUPERBLOCK.metaBlock) * blockLength,
    xattrAt: bytes.readUInt32LE(SUPERBLOCK.xattrBlock) * blockLength,
    devicesAt: bytes.readUInt16LE(SUPERBLOCK.deviceSlot) * DEVICE_SLOT_LENGTH,
    deviceCount: bytes.readUInt16LE(SUPERBLOCK.deviceCount),
    epoch: safe(bytes.readBigInt64LE(SUPERBLOCK.epoch), "epoch"),
    epochNanos: bytes.readUInt32LE(SUPERBLOCK.epochNanos),
    uuid: new Uint8Array(bytes.subarray(SUPERBLOCK.uuid, SUPERBLOCK.uuid + 16)),
  };
}

export function readDevices(read: ReadBytes, superblock: Superblock): DeviceSlot[] {
  const { devicesAt, deviceCount, blockLength } = superblock;
  const table = read(devicesAt, deviceCount * DEVICE_SLOT_LENGTH);
  return Array.from({ length: deviceCount }, (_, n) => {
    const at = n * DEVICE_SLOT_LENGTH;
    const tag = table.toString("latin1", at + DEVICE.tag, at + DEVICE.tag + DEVICE.tagLength);
    return {
      tag: tag.split("\0")[0] ?? "",
      length: table.readUInt32LE(at + DEVICE.blocks) * blockLength,
      firstBlock: table.readUInt32LE(at + DEVICE.firstBlock),
    };
  });
}
