import { isIPv4, isIPv6 } from "node:net";
import { PlyError } from "../error.ts";

/** An IP address as a number. */
export interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** A subnet; `base` has no bits beyond the prefix. */
export interface Cidr {
  readonly family: 4 | 6;
  readonly base: bigint;
  readonly prefix: number;
}

const bitsOf = (family: 4 | 6): number => (family === 4 ? 32 : 128);

/** Undefined for what is no address. IPv4 within IPv6 (`::ffff:1.2.3.4`) counts as IPv4. */
export function tryParseAddress(text: string): Address | undefined {
  if (isIPv4(text))
    return { family: 4, value: BigInt(text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0)) };
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)?.[1];
  if (mapped !== undefined) return tryParseAddress(mapped);
  return { family: 6, value: groupsOf(text).reduce((sum, group) => (sum << 16n) | BigInt(group), 0n) };
}

function groupsOf(text: string): number[] {
  const hex = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [before = "", after] = hex.split("::");
  const parse = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const head = parse(before);
  const tail = parse(after ?? "");
  return [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

/** Throws "invalid" in Docker's words. */
export function parseAddress(text: string): Address {
  const address = tryParseAddress(text);
  if (address === undefined) throw new PlyError("invalid", `invalid IP address: ${text}`);
  return address;
}

/** RFC 5952 for IPv6. */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((value >> BigInt(112 - at * 16)) & 0xffffn).toString(16),
  );
  let longest = { at: 0, length: 0 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === "0") length++;
    if (length > longest.length) longest = { at, length };
    at += length;
  }
  if (longest.length < 2) return groups.join(":");
  return `${groups.slice(0, longest.at).join(":")}::${groups.slice(longest.at + longest.length).join(":")}`;
}

/** In network order: 4 or 16 bytes. */
export function bytesOf({ family, value }: Address): Buffer {
  return Buffer.from(value.toString(16).padStart(bitsOf(family) / 4, "0"), "hex");
}

export function addressOf(bytes: Uint8Array): Address {
  return {
    family: bytes.length === 4 ? 4 : 6,
    value: BigInt(`0x${Buffer.from(bytes).toString("hex") || "0"}`),
  };
}

/** `10.0.0.0/8`; host bits are dropped. Undefined for what is none. */
export function tryParseCidr(text: string): Cidr | undefined {
  const [address = "", length = "", ...more] = text.split("/");
  const parsed = tryParseAddress(address);
  if (parsed === undefined || !/^\d{1,3}$/.test(length) || more.length > 0) return undefined;
  const prefix = Number(length);
  return prefix > bitsOf(parsed.family) ? undefined : cidrOf(parsed, prefix);
}

/** Throws "invalid" in Docker's words. */
export function parseCidr(text: string): Cidr {
  const cidr = tryParseCidr(text);
  if (cidr === undefined) throw new PlyError("invalid", `invalid CIDR address: ${text}`);
  return cidr;
}

export function cidrOf({ family, value }: Address, prefix: number): Cidr {
  const hostBits = BigInt(bitsOf(family) - prefix);
  return { family, base: (value >> hostBits) << hostBits, prefix };
}

export const formatCidr = ({ family, base, prefix }: Cidr): string =>
  `${formatAddress({ family, value: base })}/${prefix}`;

/** The highest address in it: the broadcast address of IPv4. */
export function lastOf({ family, base, prefix }: Cidr): bigint {
  return base + (1n << BigInt(bitsOf(family) - prefix)) - 1n;
}

export function holds(cidr: Cidr, address: Address): boolean {
  return cidr.family === address.family && address.value >= cidr.base && address.value <= lastOf(cidr);
}

export function overlaps(one: Cidr, other: Cidr): boolean {
  return one.family === other.family && one.base <= lastOf(other) && other.base <= lastOf(one);
}
