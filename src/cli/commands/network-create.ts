import type { DockerNetworkCreate, DockerNetworkCreateResponse } from "../../wire/index.ts";
import { command } from "../command.ts";
import { UsageError } from "../failure.ts";
import { lines } from "../output/index.ts";
import { ipamConfig } from "./ipam-flags.ts";
import { labelsOf } from "./labels.ts";

export default command({
  args: { usage: "NETWORK", min: 1, max: 1 },
  flags: {
    driver: {
      kind: "string",
      short: "d",
      default: "bridge",
      value: "NAME",
      help: "bridge, macvlan or ipvlan",
    },
    subnet: { kind: "list", value: "CIDR", help: "Subnet; without, one that is free here" },
    gateway: { kind: "list", value: "ADDRESS", help: "Gateway of the subnet it lies in" },
    "ip-range": { kind: "list", value: "CIDR", help: "Part of a subnet that containers get addresses from" },
    "aux-address": { kind: "list", value: "NAME=ADDRESS", help: "Address that no container gets" },
    ipv4: {
      kind: "string",
      choices: ["true", "false"],
      default: "true",
      value: "true|false",
      help: "With IPv4",
    },
    ipv6: { kind: "bool", help: "With IPv6" },
    internal: { kind: "bool", help: "No way out: its containers reach each other only" },
    attachable: { kind: "bool", help: "For Docker's clusters; kept, without an effect here" },
    "config-only": { kind: "bool", help: "Only the configuration of others: nothing is made" },
    "config-from": {
      kind: "string",
      value: "NETWORK",
      complete: "network",
      help: "Take the configuration from this one",
    },
    opt: { kind: "list", short: "o", value: "NAME=VALUE", help: "Option of the driver" },
    label: { kind: "list", value: "KEY[=VALUE]", help: "Label" },
    "ipam-driver": { kind: "string", default: "default", value: "NAME", help: "Who hands out addresses" },
    "ipam-opt": { kind: "list", value: "NAME=VALUE", help: "Option of that" },
  },
  description:
    "Containers on it find each other by name. Options of bridge: com.docker.network.driver.mtu, and com.docker.network.bridge with .name, .enable_icc, .enable_ip_masquerade, .host_binding_ipv4; of macvlan and ipvlan: parent, macvlan_mode, ipvlan_mode.",
  examples: [
    ["ply network create app", "a bridge of its own, with a free subnet"],
    ["ply network create --subnet 10.9.0.0/24 --ip-range 10.9.0.128/25 app", "addresses of one's choice"],
    ["ply network create --internal --ipv6 vault", "nothing goes out; IPv4 and IPv6"],
    [
      "ply network create -d macvlan -o parent=eth0 --subnet 192.0.2.0/24 lan",
      "containers in the host's own network",
    ],
  ],
  async run({ engine, stdio }, flags, [name = ""]) {
    const configFrom = flags["config-from"];
    const request: DockerNetworkCreate = {
      Name: name,
      Driver: flags.driver,
      ...(flags.ipv4 === "false" ? { EnableIPv4: false } : {}),
      EnableIPv6: flags.ipv6,
      Internal: flags.internal,
      Attachable: flags.attachable,
      ...(flags["config-only"] ? { ConfigOnly: true } : {}),
      ...(configFrom === undefined ? {} : { ConfigFrom: { Network: configFrom } }),
      IPAM: {
        Driver: flags["ipam-driver"],
        Options: pairs(flags["ipam-opt"], "ipam-opt"),
        Config: ipamConfig({
          subnets: flags.subnet,
          gateways: flags.gateway,
          ranges: flags["ip-range"],
          reserved: pairs(flags["aux-address"], "aux-address"),
        }),
      },
      Options: pairs(flags.opt, "opt"),
      Labels: labelsOf(flags.label),
    };
    const { Id, Warning } = await engine.json<DockerNetworkCreateResponse>("POST", "/networks/create", {
      json: request,
    });
    if (Warning !== "") stdio.err(`WARNING: ${Warning}\n`);
    return lines(Id);
  },
});

function pairs(words: readonly string[], flag: string): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const equals = word.indexOf("=");
      if (equals <= 0)
        throw new UsageError(
          `invalid argument ${JSON.stringify(word)} for "--${flag}" flag: want NAME=VALUE`,
        );
      return [word.slice(0, equals), word.slice(equals + 1)];
    }),
  );
}
