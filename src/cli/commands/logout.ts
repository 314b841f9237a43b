import { command } from "../command.ts";
import { lines } from "../output/index.ts";
import { HUB_HOST, HUB_KEY, registryHost } from "./registry-host.ts";

export default command({
  args: { usage: "[REGISTRY]", min: 0, max: 1 },
  flags: {},
  description: "Without a registry: Docker Hub.",
  async run({ env }, _flags, [registry]) {
    const host = registryHost(registry);
    const { eraseCredentials } = await import("../../registry/index.ts");
    const shown = host === HUB_HOST ? HUB_KEY : host;
    return (await eraseCredentials(host, { env }))
      ? lines(`Removing login credentials for ${shown}`)
      : lines(`Not logged in to ${shown}`);
  },
});
