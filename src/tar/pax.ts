import { PlyError } from "../error.ts";
import { bytesOf } from "./byte-string.ts";

/** One record of a PAX extended header: the key as a byte string, the value raw. */
export interface PaxRecord {
  readonly key: string;
  readonly value: Buffer;
}

/**
 * Cuts an extended header into its records `LENGTH KEY=VALUE\n` (POSIX pax, "pax Extended Header"), by
 * length, so that values may hold any byte. Throws "corrupt".
 */
export function parsePax(body: Buffer): PaxRecord[] {
  const records: PaxRecord[] = [];
  let at = 0;
  while (at < body.length) {
    // Some writers pad the body with NULs within its size.
    if (body[at] === 0) break;
    const space = body.indexOf(0x20, at);
    const digits = space === -1 || space - at > 8 ? "" : body.toString("latin1", at, space);
    if (!/^[0-9]+$/.test(digits)) throw corrupt(at, "its length is not a number");
    const end = at + Number(digits);
    if (end > body.length) throw corrupt(at, "it is longer than the header");
    if (end <= space + 2 || body[end - 1] !== 0x0a) throw corrupt(at, "its length is wrong");
    const equals = body.indexOf(0x3d, space + 1);
    if (equals === -1 || equals >= end || equals === space + 1) throw corrupt(at, "it has no key");
    records.push({
      key: body.toString("latin1", space + 1, equals),
      value: body.subarray(equals + 1, end - 1),
    });
    at = end;
  }
  return records;
}

function corrupt(at: number, why: string): PlyError {
  return new PlyError("corrupt", `tar: PAX record at byte ${at} of its header: ${why}`);
}

/** One record as bytes; its length counts itself. */
export function formatPaxRecord(key: string, value: Uint8Array): Buffer {
  const rest = 1 + key.length + 1 + value.length + 1;
  let total = rest + String(rest).length;
  // A longer length can need one digit more, once.
  if (rest + String(total).length !== total) total = rest + String(total).length;
  return Buffer.concat([bytesOf(`${total} ${key}=`), value, bytesOf("\n")]);
}

export interface PaxTime {
  readonly seconds: number;
  readonly nanos: number;
}

/** Parses decimal seconds with an optional fraction; digits past nanoseconds are cut. Throws "corrupt". */
export function parsePaxTime(text: string): PaxTime {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) throw new PlyError("corrupt", `tar: PAX mtime ${JSON.stringify(text)} is not a time`);
  const whole = Number(match[2]);
  const nanos = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] !== "-") return { seconds: whole, nanos };
  return nanos === 0
    ? { seconds: whole === 0 ? 0 : -whole, nanos: 0 }
    : { seconds: -whole - 1, nanos: 1_000_000_000 - nanos };
}

/** The shortest decimal form: the inverse of {@link parsePaxTime}. */
export function formatPaxTime({ seconds, nanos }: PaxTime): string {
  if (nanos === 0) return String(seconds);
  const negative = seconds < 0;
  const whole = negative ? -(seconds + 1) : seconds;
  const fraction = String(negative ? 1_000_000_000 - nanos : nanos).padStart(9, "0");
  return `${negative ? "-" : ""}${whole}.${fraction.replace(/0+$/, "")}`;
}

/** Parses a whole decimal number that may be negative. Throws "corrupt". */
export function parsePaxNumber(key: string, text: string): number {
  const value = /^-?[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw new PlyError(
      "corrupt",
      `tar: PAX ${key}=${JSON.stringify(text)} is not a number we can count with`,
    );
  return value;
}

const SCHILY_XATTR = "SCHILY.xattr.";
const LIBARCHIVE_XATTR = "LIBARCHIVE.xattr.";

/** The xattr that a record carries, if it does. `weak`: a SCHILY record of the same name is to be preferred. */
export function xattrOf(
  record: PaxRecord,
): { readonly name: string; readonly value: Buffer; readonly weak: boolean } | undefined {
  if (record.key.startsWith(SCHILY_XATTR)) {
    // GNU tar writes `=` and `%` of a name as %3D and %25.
    const name = record.key
      .slice(SCHILY_XATTR.length)
      .replace(/%(3D|25)/g, (_, hex) => (hex === "25" ? "%" : "="));
    return { name, value: record.value, weak: false };
  }
  if (record.key.startsWith(LIBARCHIVE_XATTR)) {
    const name = record.key
      .slice(LIBARCHIVE_XATTR.length)
      .replace(/%([0-9A-Fa-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
    return { name, value: Buffer.from(record.value.toString("latin1"), "base64"), weak: true };
  }
  return undefined;
}

/** The record that carries an xattr. */
export function formatXattr(name: string, value: Uint8Array): Buffer {
  return formatPaxRecord(SCHILY_XATTR + name.replace(/[%=]/g, (c) => (c === "%" ? "%25" : "%3D")), value);
}
