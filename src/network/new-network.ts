import { randomBytes } from "node:crypto";
import { PlyError } from "../error.ts";
import {
  type Address,
  type Cidr,
  formatAddress,
  formatCidr,
  holds,
  overlaps,
  parseAddress,
  parseCidr,
  tryParseCidr,
} from "./address.ts";
import { ownParentName } from "./devices.ts";
import { checkOptions, optionOf } from "./network-option.ts";
import type { CreateNetworkOptions, Network, NetworkDriver, Subnet, SubnetOptions } from "./networks.ts";

const DRIVERS: readonly NetworkDriver[] = ["bridge", "host", "null", "macvlan", "ipvlan"];
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
const BUILTIN_NAMES: readonly string[] = ["bridge", "host", "none", "default"];

/** What a new network must fit in with. */
export interface Surroundings {
  readonly networks: readonly Network[];
  /** A subnet that nobody uses. */
  readonly choosePool: (family: 4 | 6) => Cidr;
}

/** The network that the options come to; nothing is made yet. Throws as `Networks.create` says. */
export function planNetwork(
  options: CreateNetworkOptions,
  { networks, choosePool }: Surroundings,
  now: number,
): Network {
  const { name, labels = {}, options: driverOptions = {}, internal = false } = options;
  checkName(name, networks);
  const driver = driverOf(options.driver);
  checkOptions(driver, driverOptions);
  const id = randomBytes(32).toString("hex");
  const given = (options.subnets ?? []).map((each) => ({ ...each, subnet: each.subnet ?? "" }));
  const isFamily = ({ subnet }: SubnetOptions, family: 4 | 6) =>
    subnet !== "" && parseGivenCidr(subnet ?? "").family === family;
  const ipv4 = options.ipv4 ?? true;
  const ipv6 = (options.ipv6 ?? false) || given.some((each) => isFamily(each, 6));
  if (!ipv4 && !ipv6) throw new PlyError("invalid", "IPv4 or IPv6 must be enabled");
  if (!ipv4 && given.some((each) => isFamily(each, 4)))
    throw new PlyError("invalid", "IPv4 subnets are given for a network without IPv4");
  if (ipv4 && !given.some(({ subnet }) => subnet === "") && !given.some((each) => isFamily(each, 4)))
    given.push({ subnet: "" });
  const taken = networks
    .filter(({ configOnly }) => !configOnly)
    .flatMap((network) => network.subnets.map(({ subnet }) => parseCidr(subnet)));
  const subnets = given.map((each) => subnetOf(each, () => choosePool(4)));
  if (ipv6 && !given.some((each) => isFamily(each, 6))) subnets.push(subnetOf({}, () => choosePool(6)));
  for (const [at, { subnet }] of subnets.entries()) {
    const others = [...taken, ...subnets.slice(0, at).map((each) => parseCidr(each.subnet))];
    if (others.some((other) => overlaps(other, parseCidr(subnet))))
      throw new PlyError(
        "conflict",
        "invalid pool request: Pool overlaps with other one on this address space",
        {
          details: { httpStatus: 403, subnet },
        },
      );
  }
  const device = deviceOf(driver, driverOptions, id);
  if (driver === "bridge" && networks.some((network) => network.device === device))
    throw new PlyError("conflict", `networks have same bridge name: ${device}`, {
      details: { httpStatus: 403 },
    });
  return {
    id,
    name,
    driver,
    createdAt: now,
    ipv4,
    ipv6,
    internal: internal || (driver !== "bridge" && optionOf.parent(driverOptions) === ""),
    attachable: options.attachable ?? false,
    subnets: subnets.sort(
      (one, other) => Number(one.subnet.includes(":")) - Number(other.subnet.includes(":")),
    ),
    options: driverOptions,
    labels,
    builtin: false,
    device,
    ipamDriver: options.ipamDriver || "default",
    ipamOptions: options.ipamOptions ?? {},
    ...(options.configFrom ? { configFrom: options.configFrom } : {}),
  };
}

/** The default network; its subnet is settled with its first container at the latest. */
export function defaultBridge(device: string, subnet: Cidr, now: number): Network {
  return {
    id: randomBytes(32).toString("hex"),
    name: "bridge",
    driver: "bridge",
    createdAt: now,
    ipv4: true,
    ipv6: false,
    internal: false,
    attachable: false,
    subnets: [subnetOf({}, () => subnet)],
    options: {
      "com.docker.network.bridge.default_bridge": "true",
      "com.docker.network.bridge.enable_icc": "true",
      "com.docker.network.bridge.enable_ip_masquerade": "true",
      "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
      "com.docker.network.bridge.name": device,
      "com.docker.network.driver.mtu": "1500",
    },
    labels: {},
    builtin: true,
    device,
    ipamDriver: "default",
    ipamOptions: {},
  };
}

/** `host` and `none`, which are but names. */
export function namedOnly(name: "host" | "none", now: number): Network {
  return {
    id: randomBytes(32).toString("hex"),
    name,
    driver: name === "host" ? "host" : "null",
    createdAt: now,
    ipv4: true,
    ipv6: false,
    internal: false,
    attachable: false,
    subnets: [],
    options: {},
    labels: {},
    builtin: true,
    device: "",
    ipamDriver: "default",
    ipamOptions: {},
  };
}

/** Throws "invalid", "denied" for a builtin's, "conflict" for another's. */
export function checkName(name: string, networks: readonly Network[]): void {
  if (name === "") throw new PlyError("invalid", "network name must not be empty");
  if (BUILTIN_NAMES.includes(name))
    throw new PlyError("denied", `operation is not permitted on predefined ${name} network`);
  if (!NAME.test(name))
    throw new PlyError("invalid", `invalid network name: ${name}`, {
      hint: "letters, digits, '_', '.' and '-', a letter or digit first",
    });
  if (networks.some((network) => network.name === name))
    throw new PlyError("conflict", `network with name ${name} already exists`);
}

function driverOf(given: string | undefined): NetworkDriver {
  const name = given || "bridge";
  const driver = DRIVERS.find((each) => each === name);
  if (driver === undefined) throw new PlyError("not-found", `plugin "${name}" not found`);
  if (driver === "host" || driver === "null")
    throw new PlyError("denied", `only one instance of "${driver}" network is allowed`);
  return driver;
}

function parseGivenCidr(text: string): Cidr {
  const cidr = tryParseCidr(text);
  if (cidr === undefined)
    throw new PlyError("invalid", `invalid subnet ${text}: invalid CIDR block notation`);
  return cidr;
}

/** Throws "invalid" in Docker's words for parts that do not lie in it. */
export function subnetOf(
  { subnet = "", gateway = "", range = "", reserved = {} }: SubnetOptions,
  pool: () => Cidr,
): Subnet {
  const cidr = subnet === "" ? pool() : parseGivenCidr(subnet);
  if (subnet !== "" && parseAddress(subnet.split("/")[0] ?? "").value !== cidr.base)
    throw new PlyError("invalid", `invalid subnet ${subnet}: it should be ${formatCidr(cidr)}`);
  if (cidr.prefix > (cidr.family === 4 ? 31 : 127))
    throw new PlyError("invalid", `invalid subnet ${subnet}: it has no room`);
  const inside = (text: string, what: string): Address => {
    const address = parseAddress(text);
    if (!holds(cidr, address)) throw new PlyError("invalid", `no matching subnet for ${what} "${text}"`);
    return address;
  };
  const within = range === "" ? undefined : parseGivenCidr(range);
  if (within !== undefined && !(within.prefix >= cidr.prefix && overlaps(cidr, within)))
    throw new PlyError("invalid", `no matching subnet for range "${range}"`);
  const first = cidr.base + (cidr.prefix === (cidr.family === 4 ? 31 : 127) ? 0n : 1n);
  return {
    subnet: formatCidr(cidr),
    gateway:
      gateway === ""
        ? formatAddress({ family: cidr.family, value: first })
        : formatAddress(inside(gateway, "gateway")),
    range: within === undefined ? null : formatCidr(within),
    reserved: Object.fromEntries(
      Object.entries(reserved).map(([name, address]) => [
        name,
        formatAddress(inside(address, "aux-address")),
      ]),
    ),
    automatic: subnet === "",
  };
}

function deviceOf(driver: NetworkDriver, options: Readonly<Record<string, string>>, id: string): string {
  if (driver === "bridge") return optionOf.bridgeName(options) || `br-${id.slice(0, 12)}`;
  return optionOf.parent(options) || ownParentName(id);
}
