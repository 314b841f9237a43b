import { createHash } from "node:crypto";
import { PlyError } from "../error.ts";
import { type Cidr, overlaps, parseCidr } from "./address.ts";

/** Docker's pools: each piece is cut into subnets of `size`. */
const POOLS: readonly { readonly base: string; readonly size: number }[] = [
  { base: "172.17.0.0/16", size: 16 },
  { base: "172.18.0.0/16", size: 16 },
  { base: "172.19.0.0/16", size: 16 },
  { base: "172.20.0.0/14", size: 16 },
  { base: "172.24.0.0/14", size: 16 },
  { base: "172.28.0.0/14", size: 16 },
  { base: "192.168.0.0/16", size: 20 },
];
const ULA_SUBNET_SIZE = 64;

/** The /48 of unique local addresses (RFC 4193) of an engine, always the same. */
export function ulaPrefix(engineId: string): Cidr {
  const globalId = createHash("sha256").update(`ply ula ${engineId}`).digest("hex").slice(0, 10);
  return { family: 6, base: BigInt(`0xfd${globalId}`) << 80n, prefix: 48 };
}

/** The first subnet of the pools that overlaps none of `taken`. Throws "unavailable" in Docker's words. */
export function choosePool(family: 4 | 6, taken: readonly Cidr[], engineId: string): Cidr {
  const pools =
    family === 4
      ? POOLS.map(({ base, size }) => ({ pool: parseCidr(base), size }))
      : [{ pool: ulaPrefix(engineId), size: ULA_SUBNET_SIZE }];
  for (const { pool, size } of pools) {
    const step = 1n << BigInt((family === 4 ? 32 : 128) - size);
    for (let at = 0n; at < 1n << BigInt(size - pool.prefix); at++) {
      const subnet: Cidr = { family, base: pool.base + at * step, prefix: size };
      if (!taken.some((other) => overlaps(subnet, other))) return subnet;
    }
  }
  throw new PlyError(
    "unavailable",
    `could not find an available, non-overlapping IPv${family} address pool among the defaults to assign to the network`,
    { hint: "remove networks that are not used (ply network prune), or give --subnet" },
  );
}
