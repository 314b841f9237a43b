const POLYNOMIAL = 0x82f63b78;

/** CRC-32C with the start value 0xFFFFFFFF and without the final inversion, as EROFS superblocks want it. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
  }
  return crc >>> 0;
}
