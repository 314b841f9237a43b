import type { PlyCacheRemoved } from "../../wire/index.ts";
import { command } from "../command.ts";
import { formatSize, lines } from "../output/index.ts";
import { filtersParameter, parseFilters } from "./filter-flag.ts";
import { confirm } from "./pruning.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    filter: {
      kind: "list",
      value: "NAME=VALUE",
      help: "Only those that fit: until=24h (not used since), id=",
    },
    force: { kind: "bool", short: "f", help: "Do not ask" },
  },
  description:
    "Removes cache mounts that no build has just now. Kept steps of builds are `ply builder prune`'s.",
  async run(context, flags) {
    const warning = "WARNING! This will remove all cache mounts that no build is using.";
    if (!flags.force && !(await confirm(context, warning))) return lines("Nothing was removed.");
    const { removed } = await context.engine.json<PlyCacheRemoved>("POST", "/ply/cache/prune", {
      query: { filters: filtersParameter(parseFilters(flags.filter, Date.now())) },
    });
    const total = removed.reduce((sum, { size }) => sum + size, 0);
    return lines(
      ...(removed.length === 0 ? [] : ["Deleted Caches:", ...removed.map(({ id }) => id), ""]),
      `Total reclaimed space: ${formatSize(total, 4)}`,
    );
  },
});
