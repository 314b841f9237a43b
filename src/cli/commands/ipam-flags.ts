import { BlockList, isIP, isIPv6 } from "node:net";
import type { DockerIpamConfig } from "../../wire/index.ts";
import { UsageError } from "../failure.ts";

interface Given {
  readonly subnets: readonly string[];
  readonly gateways: readonly string[];
  /** Parts of subnets. */
  readonly ranges: readonly string[];
  /** By name. */
  readonly reserved: Readonly<Record<string, string>>;
}

/** Puts what was given in flags of their own to the subnets it belongs to. Throws UsageError in Docker's words. */
export function ipamConfig({ subnets, gateways, ranges, reserved }: Given): DockerIpamConfig[] {
  const all = Object.entries(reserved);
  if (subnets.length < ranges.length || subnets.length < gateways.length)
    throw new UsageError("every ip-range or gateway must have a corresponding subnet");
  const known = subnets.map((subnet) => ({ subnet, ...parseSubnet(subnet) }));
  for (const [at, one] of known.entries())
    for (const other of known.slice(at + 1))
      if (one.contains(other.address) || other.contains(one.address))
        throw new UsageError("multiple overlapping subnet configuration is not supported");
  const find = (address: string, what: string) => {
    const found = known.find(({ contains }) => contains(address));
    if (found === undefined) throw new UsageError(`no matching subnet for ${what}`);
    return found.subnet;
  };
  const rangeOf = matched(ranges, "ranges", (range) => find(parseSubnet(range).address, `range ${range}`));
  const gatewayOf = matched(gateways, "gateways", (gateway) => find(gateway, `gateway ${gateway}`));
  const reservedIn = all.map(
    ([name, address]) => [find(address, `aux-address ${address}`), name, address] as const,
  );
  return known.map(({ subnet }) => {
    const range = rangeOf.get(subnet);
    const gateway = gatewayOf.get(subnet);
    const own = reservedIn.filter(([of]) => of === subnet).map(([, name, address]) => [name, address]);
    return {
      Subnet: subnet,
      ...(range === undefined ? {} : { IPRange: range }),
      ...(gateway === undefined ? {} : { Gateway: gateway }),
      ...(own.length === 0 ? {} : { AuxiliaryAddresses: Object.fromEntries(own) }),
    };
  });
}

function matched(
  values: readonly string[],
  what: string,
  subnetOf: (value: string) => string,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const value of values) {
    const subnet = subnetOf(value);
    const other = found.get(subnet);
    if (other !== undefined)
      throw new UsageError(
        `cannot configure multiple ${what} (${value}, ${other}) on the same subnet (${subnet})`,
      );
    found.set(subnet, value);
  }
  return found;
}

function parseSubnet(text: string): { readonly address: string; contains(address: string): boolean } {
  const [address = "", length = ""] = text.split("/", 2);
  const most = isIPv6(address) ? 128 : 32;
  if (isIP(address) === 0 || !/^\d{1,3}$/.test(length) || Number(length) > most)
    throw new UsageError(`invalid CIDR address: ${text}`);
  const block = new BlockList();
  const family = isIPv6(address) ? "ipv6" : "ipv4";
  block.addSubnet(address, Number(length), family);
  return {
    address,
    contains: (other) => isIP(other) !== 0 && block.check(other, isIPv6(other) ? "ipv6" : "ipv4"),
  };
}
