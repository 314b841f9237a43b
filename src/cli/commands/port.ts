import type { DockerPortBinding, DockerPortMap } from "../../wire/index.ts";
import { command } from "../command.ts";
import { ExitError } from "../failure.ts";
import { lines } from "../output/index.ts";
import { segment } from "./ids.ts";

interface Inspected {
  readonly NetworkSettings?: { readonly Ports?: DockerPortMap };
}

export default command({
  args: { usage: "CONTAINER [PRIVATE_PORT[/PROTO]]", min: 1, max: 2, complete: "container" },
  flags: {},
  description:
    "The addresses of this host that lead to a container's ports; nothing for one without published ports.",
  async run({ engine }, _flags, [name = "", wanted]) {
    const { NetworkSettings } = await engine.json<Inspected>("GET", `/containers/${segment(name)}/json`);
    const ports = NetworkSettings?.Ports ?? {};
    const shown = ({ HostIp, HostPort }: DockerPortBinding): string =>
      `${HostIp.includes(":") ? `[${HostIp}]` : HostIp}:${HostPort}`;
    if (wanted === undefined)
      return lines(
        ...Object.keys(ports)
          .sort()
          .flatMap((port) => (ports[port] ?? []).map((binding) => `${port} -> ${shown(binding)}`)),
      );
    const port = wanted.includes("/") ? wanted : `${wanted}/tcp`;
    const bindings = Object.hasOwn(ports, port) ? ports[port] : undefined;
    if (bindings == null || bindings.length === 0)
      throw new ExitError(1, `no public port '${port}' published for ${name}`);
    return lines(...bindings.map(shown));
  },
});
