import type { DockerEndpointConfig } from "../../wire/index.ts";
import { command } from "../command.ts";
import { DONE } from "../output/index.ts";
import { segment } from "./ids.ts";
import { driverOptions } from "./network-flags.ts";

export default command({
  args: { usage: "NETWORK CONTAINER", min: 2, max: 2, complete: "network" },
  flags: {
    alias: { kind: "list", value: "NAME", help: "One more name on this network" },
    ip: { kind: "string", value: "ADDRESS", help: "IPv4 address" },
    ip6: { kind: "string", value: "ADDRESS", help: "IPv6 address" },
    "link-local-ip": { kind: "list", value: "ADDRESS", help: "Link-local address" },
    link: {
      kind: "list",
      value: "CONTAINER[:ALIAS]",
      complete: "running",
      help: "A name of one's own for another",
    },
    "driver-opt": { kind: "list", value: "NAME=VALUE", help: "Option of the driver" },
    "gw-priority": { kind: "int", value: "N", help: "Its default route goes where this is highest (0)" },
  },
  description:
    "A container that runs is on it at once, and knows the names there; one that does not, from its next start.",
  async run({ engine }, flags, [network = "", container = ""]) {
    const { ip, ip6 } = flags;
    const local = flags["link-local-ip"];
    const priority = flags["gw-priority"];
    const ipam = {
      ...(ip === undefined ? {} : { IPv4Address: ip }),
      ...(ip6 === undefined ? {} : { IPv6Address: ip6 }),
      ...(local.length === 0 ? {} : { LinkLocalIPs: local }),
    };
    const endpoint: DockerEndpointConfig = {
      ...(Object.keys(ipam).length === 0 ? {} : { IPAMConfig: ipam }),
      ...(flags.alias.length === 0 ? {} : { Aliases: flags.alias }),
      ...(flags.link.length === 0 ? {} : { Links: flags.link }),
      ...driverOptions(flags["driver-opt"]),
      ...(priority === undefined ? {} : { GwPriority: priority }),
    };
    await engine.json("POST", `/networks/${segment(network)}/connect`, {
      json: { Container: container, EndpointConfig: endpoint },
    });
    return DONE;
  },
});
