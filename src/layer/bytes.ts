import { PlyError } from "../error.ts";

const INITIAL_CAPACITY = 1024;
/** Beyond this a varint's low bits no longer fit the 32-bit operators. */
const SMALL = 0x8000_0000;

/** A growing buffer with the number forms of the index file: LEB128 varints, zigzag for signed ones. */
export class ByteWriter {
  #buffer: Uint8Array;
  #length = 0;

  constructor(capacity = INITIAL_CAPACITY) {
    this.#buffer = new Uint8Array(Math.max(capacity, INITIAL_CAPACITY));
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  u32(value: number): void {
    this.#reserve(4);
    for (let n = 0; n < 4; n++) this.#buffer[this.#length++] = (value >>> (8 * n)) & 0xff;
  }

  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new PlyError("internal", `cannot encode ${value} as an unsigned number`);
    this.#reserve(8);
    const buffer = this.#buffer;
    let at = this.#length;
    let rest = value;
    while (rest >= SMALL) {
      buffer[at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest >= 128) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    this.#length = at;
  }

  signed(value: number): void {
    this.varint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  /** A byte string from `start` on, its length before it. */
  text(value: string, start: number): void {
    const length = value.length - start;
    this.varint(length);
    this.#reserve(length);
    const buffer = this.#buffer;
    let at = this.#length;
    let seen = 0;
    for (let n = start; n < value.length; n++) {
      const unit = value.charCodeAt(n);
      seen |= unit;
      buffer[at++] = unit;
    }
    if (seen > 0xff) throw new PlyError("internal", `${JSON.stringify(value)} is not a byte string`);
    this.#length = at;
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  /** What was written so far; shares memory with the writer until it grows. */
  written(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(length: number): void {
    const needed = this.#length + length;
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

/** Reads what {@link ByteWriter} writes; every read is bounded and throws "corrupt" past the end. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at: number;
  /** The last text built by {@link prefixed}, as bytes. */
  #scratch: Buffer = Buffer.alloc(INITIAL_CAPACITY);

  constructor(bytes: Uint8Array, start = 0) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = start;
  }

  atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  remaining(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw truncated();
    return value;
  }

  varint(): number {
    const bytes = this.#bytes;
    let at = this.#at;
    let byte = bytes[at++] ?? -1;
    let value = byte & 0x7f;
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = bytes[at++] ?? -1;
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw new PlyError("corrupt", "a number out of range");
    }
    if (byte < 0) throw truncated();
    this.#at = at;
    return value;
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A byte string with its length before it. */
  text(maxLength: number): string {
    const start = this.#take(this.varint(), maxLength);
    return this.#bytes.toString("latin1", start, this.#at);
  }

  /**
   * A byte string that begins with the first `shared` bytes of `previous`, the rest coming from the input.
   * `previous` must be what the last call gave ("" at first).
   */
  prefixed(previous: string, shared: number, maxLength: number): string {
    const start = this.#take(this.varint(), maxLength - shared);
    const end = this.#at;
    const length = shared + end - start;
    if (length > this.#scratch.length) {
      const grown = Buffer.alloc(Math.max(length, this.#scratch.length * 2));
      this.#scratch.copy(grown, 0, 0, previous.length);
      this.#scratch = grown;
    }
    const bytes = this.#bytes;
    const scratch = this.#scratch;
    for (let from = start, to = shared; from < end; ) scratch[to++] = bytes[from++] ?? 0;
    return scratch.toString("latin1", 0, length);
  }

  /** A copy of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length, length);
    return new Uint8Array(this.#bytes.subarray(start, this.#at));
  }

  #take(length: number, maxLength: number): number {
    if (length > maxLength) throw new PlyError("corrupt", `a text of ${length} bytes, over ${maxLength}`);
    const start = this.#at;
    if (length > this.#bytes.length - start) throw truncated();
    this.#at += length;
    return start;
  }
}

function truncated(): PlyError {
  return new PlyError("corrupt", "the bytes end too early");
}
