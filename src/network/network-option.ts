import { isIP } from "node:net";
import { parseBoolean } from "../boolean.ts";
import { PlyError } from "../error.ts";
import type { NetworkDriver } from "./networks.ts";

type Options = Readonly<Record<string, string>>;

const BRIDGE = "com.docker.network.bridge";
const DRIVER = "com.docker.network.driver.mtu";
const MACVLAN_MODES = ["bridge", "private", "vepa", "passthru"] as const;
const IPVLAN_MODES = ["l2", "l3", "l3s"] as const;
const IPVLAN_FLAGS = ["bridge", "private", "vepa"] as const;

const isTrue = (text: string): boolean => parseBoolean(text) === true;
const oneOf = <T extends string>(values: readonly [T, ...T[]], given: string | undefined): T =>
  values.find((value) => value === given) ?? values[0];

/** What a network's driver options come to. All have been checked by {@link checkOptions}. */
export const optionOf = {
  bridgeName: (options: Options): string => options[`${BRIDGE}.name`] ?? "",
  /** 0: the kernel's. */
  mtu: (options: Options): number => Number(options[DRIVER] || "0"),
  /** Containers may talk to each other. */
  linked: (options: Options): boolean => isTrue(options[`${BRIDGE}.enable_icc`] ?? "true"),
  masquerade: (options: Options): boolean => isTrue(options[`${BRIDGE}.enable_ip_masquerade`] ?? "true"),
  /** The bridge gets no address; somebody else is the gateway. */
  inhibitIpv4: (options: Options): boolean => isTrue(options[`${BRIDGE}.inhibit_ipv4`] ?? "false"),
  /** Where ports are published when nobody says; undefined: everywhere. */
  hostBinding: (options: Options): string | undefined => {
    const given = options[`${BRIDGE}.host_binding_ipv4`];
    return given === undefined || given === "" || given === "0.0.0.0" ? undefined : given;
  },
  interfacePrefix: (options: Options): string =>
    options["com.docker.network.container_iface_prefix"] || "eth",
  /** "": none. */
  parent: (options: Options): string => options["parent"] ?? "",
  macvlanMode: (options: Options) => oneOf(MACVLAN_MODES, options["macvlan_mode"]),
  ipvlanMode: (options: Options) => oneOf(IPVLAN_MODES, options["ipvlan_mode"]),
  ipvlanFlag: (options: Options) => oneOf(IPVLAN_FLAGS, options["ipvlan_flag"]),
};

/** Throws "invalid" for a value that no driver could follow. Options nobody knows are kept, as Docker does. */
export function checkOptions(driver: NetworkDriver, options: Options): void {
  const refuse = (words: string) => new PlyError("invalid", words);
  const mtu = options[DRIVER];
  if (mtu !== undefined && mtu !== "" && !(/^\d+$/.test(mtu) && Number(mtu) >= 68 && Number(mtu) <= 65_535))
    throw refuse(`invalid MTU: ${mtu}`);
  for (const name of ["enable_icc", "enable_ip_masquerade", "inhibit_ipv4"]) {
    const value = options[`${BRIDGE}.${name}`];
    if (value !== undefined && parseBoolean(value) === undefined)
      throw refuse(`failed to parse ${BRIDGE}.${name} value: ${value}`);
  }
  const binding = options[`${BRIDGE}.host_binding_ipv4`];
  if (binding && isIP(binding) !== 4)
    throw refuse(`failed to parse ${BRIDGE}.host_binding_ipv4 value: ${binding}`);
  for (const name of [optionOf.bridgeName(options), optionOf.parent(options)])
    if (name.length > 15 || /[\s/:]/.test(name)) throw refuse(`invalid device name: ${name}`);
  if (!/^[a-zA-Z0-9_.-]{1,11}$/.test(optionOf.interfacePrefix(options)))
    throw refuse(`invalid interface prefix: ${optionOf.interfacePrefix(options)}`);
  const modes = {
    macvlan: [["macvlan_mode", MACVLAN_MODES]],
    ipvlan: [
      ["ipvlan_mode", IPVLAN_MODES],
      ["ipvlan_flag", IPVLAN_FLAGS],
    ],
  } as const;
  if (driver !== "macvlan" && driver !== "ipvlan") return;
  for (const [name, allowed] of modes[driver]) {
    const value = options[name];
    if (value !== undefined && value !== "" && !(allowed as readonly string[]).includes(value))
      throw refuse(
        `requested ${driver} ${name.replace(/.*_/, "")} '${value}' is not valid, '${allowed[0]}' is the ${driver} driver default`,
      );
  }
}
