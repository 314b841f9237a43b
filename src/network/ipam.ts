import { PlyError } from "../error.ts";
import {
  type Address,
  formatAddress,
  holds,
  lastOf,
  parseAddress,
  parseCidr,
  tryParseAddress,
} from "./address.ts";
import type { Network, Subnet } from "./networks.ts";

/** Addresses in use on a network, as texts. */
export type InUse = ReadonlySet<string>;

/** What nobody gets: the gateway, the reserved ones, and the ends of an IPv4 subnet. */
function isReserved({ gateway, reserved, subnet }: Subnet, text: string): boolean {
  if (text === gateway || Object.values(reserved).some((each) => sameAddress(each, text))) return true;
  const cidr = parseCidr(subnet);
  const { value } = parseAddress(text);
  if (cidr.family === 6) return value === cidr.base && cidr.prefix < 127;
  return cidr.prefix < 31 && (value === cidr.base || value === lastOf(cidr));
}

function sameAddress(one: string, other: string): boolean {
  const parsed = tryParseAddress(one);
  return parsed !== undefined && formatAddress(parsed) === other;
}

/** The lowest free address of a subnet's range. Undefined when there is none. */
function lowestFree(subnet: Subnet, inUse: InUse): Address | undefined {
  const range = parseCidr(subnet.range ?? subnet.subnet);
  const last = lastOf(range);
  for (let value = range.base; value <= last; value++) {
    const address = { family: range.family, value };
    const text = formatAddress(address);
    if (!inUse.has(text) && !isReserved(subnet, text)) return address;
  }
  return undefined;
}

/**
 * The address of one family for a new endpoint: the wanted one, else the lowest free one. Undefined when the network
 * has no subnet of this family. Throws "invalid" for one that lies outside or is reserved, "conflict" for a taken one.
 */
export function chooseAddress(
  network: Pick<Network, "name" | "subnets">,
  family: 4 | 6,
  wanted: string | undefined,
  inUse: InUse,
): { readonly address: Address; readonly subnet: Subnet } | undefined {
  const subnets = network.subnets.filter(({ subnet }) => parseCidr(subnet).family === family);
  if (wanted !== undefined && wanted !== "") return chooseWanted(subnets, family, wanted, inUse);
  if (subnets.length === 0) return undefined;
  for (const subnet of subnets) {
    const address = lowestFree(subnet, inUse);
    if (address !== undefined) return { address, subnet };
  }
  throw new PlyError(
    "unavailable",
    `no available IPv${family} addresses on this network's address pools: ${network.name}`,
  );
}

function chooseWanted(subnets: readonly Subnet[], family: 4 | 6, wanted: string, inUse: InUse) {
  const address = tryParseAddress(wanted);
  if (address === undefined || address.family !== family)
    throw new PlyError("invalid", `invalid IPv${family} address: ${wanted}`);
  const subnet = subnets.find((each) => holds(parseCidr(each.subnet), address));
  if (subnet === undefined)
    throw new PlyError("invalid", `no configured subnet contains IP address ${wanted}`);
  const text = formatAddress(address);
  if (inUse.has(text) || isReserved(subnet, text))
    throw new PlyError("conflict", "Address already in use", { details: { httpStatus: 403, address: text } });
  return { address, subnet };
}
