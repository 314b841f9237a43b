import { command } from "../command.ts";
import { formatSize, lines } from "../output/index.ts";
import {
  confirm,
  pruneBuildCache,
  pruneContainers,
  prunedImages,
  pruneFilter,
  pruneNetworks,
  pruneVolumes,
} from "./pruning.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    all: { kind: "bool", short: "a", help: "All images no container uses, not only those without a name" },
    filter: { kind: "list", value: "NAME=VALUE", help: "Only those that fit: until=, label=, label!=" },
    force: { kind: "bool", short: "f", help: "Do not ask" },
    volumes: { kind: "bool", help: "Anonymous volumes that no container uses too" },
  },
  description:
    "Stopped containers, then the networks, the images and what builds keep that nothing needs any more.",
  async run(context, flags) {
    const what = [
      "all stopped containers",
      "all networks not used by at least one container",
      ...(flags.volumes ? ["all anonymous volumes not used by at least one container"] : []),
      flags.all ? "all images without at least one container associated to them" : "all dangling images",
      flags.all ? "all build cache" : "unused build cache",
    ];
    const warning = ["WARNING! This will remove:", ...what.map((each) => `  - ${each}`), ""].join("\n");
    const filter = pruneFilter(flags.filter, Date.now());
    if (!flags.force && !(await confirm(context, warning))) return lines("Nothing was removed.");
    // In this order: what a container used is free once it is gone.
    const containers = await pruneContainers(context, flags.filter);
    const networks = await pruneNetworks(context, flags.filter);
    const volumes = flags.volumes ? await pruneVolumes(context, flags.filter) : { deleted: [], bytes: 0 };
    const images = await prunedImages(context, { all: flags.all, filter });
    const cache = await pruneBuildCache(context, { all: flags.all, filter: flags.filter });
    return lines(
      ...containers.deleted,
      ...networks,
      ...volumes.deleted,
      ...images.deleted,
      ...cache.deleted,
      `Total reclaimed space: ${formatSize(containers.bytes + volumes.bytes + images.bytes + cache.bytes, 4)}`,
    );
  },
});
