import { randomBytes } from "node:crypto";
import { PlyError } from "../error.ts";
import type { CreateNetworkOptions, Network, SubnetOptions } from "./networks.ts";
import { checkName, subnetOf } from "./new-network.ts";

/**
 * A network that is but the configuration of others (`--config-only`): nothing is made for it, and no container can be on
 * it. A driver has no meaning for it. Throws as `Networks.create`.
 */
export function planConfiguration(
  options: CreateNetworkOptions,
  networks: readonly Network[],
  now: number,
): Network {
  const { name, subnets = [], labels = {} } = options;
  checkName(name, networks);
  return {
    id: randomBytes(32).toString("hex"),
    name,
    driver: "null",
    createdAt: now,
    ipv4: options.ipv4 ?? true,
    ipv6: options.ipv6 ?? false,
    internal: options.internal ?? false,
    attachable: options.attachable ?? false,
    subnets: subnets.map((each) => ({
      ...subnetOf(each, () => {
        throw new PlyError("invalid", "a subnet of a configuration network has no addresses");
      }),
      ...(each.gateway ? {} : { gateway: null }),
    })),
    options: options.options ?? {},
    labels,
    builtin: false,
    device: "",
    ipamDriver: options.ipamDriver || "default",
    ipamOptions: options.ipamOptions ?? {},
    configOnly: true,
  };
}

/** The options with those of the configuration that they name. Throws not-found, "invalid" in Docker's words. */
export function configured(
  options: CreateNetworkOptions,
  find: (name: string) => Network,
): CreateNetworkOptions {
  const { configFrom = "" } = options;
  if (configFrom === "") return options;
  const base = find(configFrom);
  if (!base.configOnly)
    throw new PlyError("invalid", `configuration network ${configFrom} is not a configuration network`);
  const { subnets = [], options: own = {}, ipamOptions = {} } = options;
  if (subnets.length + Object.keys(own).length + Object.keys(ipamOptions).length > 0 || options.ipv6)
    throw new PlyError(
      "invalid",
      "user supplied configurations are not supported if the network depends on a configuration network",
    );
  return {
    ...options,
    ipv4: base.ipv4,
    ipv6: base.ipv6,
    internal: options.internal || base.internal,
    subnets: base.subnets.map(asGiven),
    options: base.options,
    ipamDriver: base.ipamDriver,
    ipamOptions: base.ipamOptions,
    configFrom: base.name,
  };
}

function asGiven({ subnet, gateway, range, reserved }: Network["subnets"][number]): SubnetOptions {
  return {
    subnet,
    ...(gateway === null ? {} : { gateway }),
    ...(range === null ? {} : { range }),
    reserved,
  };
}

/** Throws "denied" in Docker's words while a network is made after this one. */
export function checkNotInUse({ name }: Network, networks: readonly Network[]): void {
  if (networks.some(({ configFrom }) => configFrom === name))
    throw new PlyError("denied", `configuration network ${JSON.stringify(name)} is in use`);
}
