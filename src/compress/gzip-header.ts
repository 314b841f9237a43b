import * as zlib from "node:zlib";

/** Flag bits (RFC 1952, 2.3.1). */
const FHCRC = 2;
const FEXTRA = 4;
const FNAME = 8;
const FCOMMENT = 16;
const RESERVED = 0xe0;

/** Fields of the header in their order; those whose flag is not set are passed over. */
type Field = "fixed" | "extraLength" | "extra" | "name" | "comment" | "checksum" | "done";

/** Reads a gzip header that comes in pieces. Nothing of it is kept. */
export interface GzipHeaderReader {
  /** Reads on from `input[at]`; returns where it stopped: the input's end, or behind the header once {@link isDone}. */
  read(input: Uint8Array, at: number): number;
  readonly isDone: boolean;
  /** What is wrong, once it is known that this is no header. */
  readonly problem: string | undefined;
}

export function createGzipHeaderReader(): GzipHeaderReader {
  let field: Field = "fixed";
  /** Bytes of the present field read so far. */
  let count = 0;
  let flags = 0;
  let extraLength = 0;
  let checksum = 0;
  let crc = 0;
  let problem: string | undefined;

  const next = (from: Field): Field => {
    count = 0;
    switch (from) {
      case "fixed":
        if ((flags & FEXTRA) !== 0) return "extraLength";
        return next("extra");
      case "extraLength":
        return extraLength > 0 ? "extra" : next("extra");
      case "extra":
        return (flags & FNAME) !== 0 ? "name" : next("name");
      case "name":
        return (flags & FCOMMENT) !== 0 ? "comment" : next("comment");
      case "comment":
        return (flags & FHCRC) !== 0 ? "checksum" : "done";
      default:
        return "done";
    }
  };

  /** Takes one byte of the fixed part: magic, method, flags, then time, level and system, which mean nothing to us. */
  const takeFixed = (byte: number): void => {
    if ((count === 0 && byte !== 0x1f) || (count === 1 && byte !== 0x8b)) problem = "not a gzip header";
    else if (count === 2 && byte !== 8) problem = "an unknown compression method";
    else if (count === 3) flags = byte;
    if (count === 3 && (byte & RESERVED) !== 0) problem = "unknown flags in the header";
    if (++count === 10) field = next("fixed");
  };

  const takeByte = (byte: number): void => {
    switch (field) {
      case "fixed":
        takeFixed(byte);
        return;
      case "extraLength":
        extraLength |= byte << (8 * count);
        if (++count === 2) field = next("extraLength");
        return;
      case "extra":
        if (++count === extraLength) field = next("extra");
        return;
      case "checksum":
        checksum |= byte << (8 * count);
        if (++count < 2) return;
        if (checksum !== (crc & 0xffff)) problem = "the header's checksum does not match";
        field = "done";
        return;
      default:
        if (byte === 0) field = next(field);
    }
  };

  const isOver = (): boolean => field === "done" || problem !== undefined;

  return {
    read: (input, from) => {
      let at = from;
      let isSummed = field !== "checksum";
      while (at < input.length && !isOver()) {
        takeByte(input[at++] ?? 0);
        if (!isSummed || field !== "checksum") continue;
        crc = zlib.crc32(input.subarray(from, at), crc);
        isSummed = false;
      }
      if (isSummed && !isOver()) crc = zlib.crc32(input.subarray(from, at), crc);
      return at;
    },
    get isDone() {
      return field === "done";
    },
    get problem() {
      return problem;
    },
  };
}
