import type { DockerVolumePrune } from "../../wire/index.ts";
import { command } from "../command.ts";
import { formatSize, lines } from "../output/index.ts";
import { filtersParameter, parseFilters } from "./filter-flag.ts";
import { confirm } from "./pruning.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    all: { kind: "bool", short: "a", help: "Named volumes too, not only anonymous ones" },
    filter: { kind: "list", value: "NAME=VALUE", help: "Only those that fit: label=, label!=" },
    force: { kind: "bool", short: "f", help: "Do not ask" },
  },
  async run(context, flags) {
    const what = flags.all ? "all volumes" : "all anonymous volumes";
    const warning = `WARNING! This will remove ${what} not used by at least one container.`;
    if (!flags.force && !(await confirm(context, warning))) return lines("Nothing was removed.");
    const filters = parseFilters(flags.filter, Date.now());
    const { VolumesDeleted, SpaceReclaimed } = await context.engine.json<DockerVolumePrune>(
      "POST",
      "/volumes/prune",
      { query: { filters: filtersParameter({ ...filters, ...(flags.all ? { all: ["true"] } : {}) }) } },
    );
    const removed = VolumesDeleted ?? [];
    return lines(
      ...(removed.length === 0 ? [] : ["Deleted Volumes:", ...removed, ""]),
      `Total reclaimed space: ${formatSize(SpaceReclaimed, 4)}`,
    );
  },
});
