import { command } from "../command.ts";
import { lines } from "../output/index.ts";
import { formatSize } from "../output/size.ts";
import { parseMemorySize } from "./memory-size.ts";
import { confirm } from "./pruning.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    all: { kind: "bool", short: "a", help: "Also steps that images have" },
    filter: { kind: "list", value: "FILTER", help: "until=24h: not used since" },
    force: { kind: "bool", short: "f", help: "Do not ask" },
    "keep-storage": { kind: "string", value: "BYTES", help: "Keep the most recently used up to this size" },
  },
  async run(context, flags) {
    const warning = flags.all
      ? "WARNING! This will remove all build cache."
      : "WARNING! This will remove all dangling build cache.";
    if (!flags.force && !(await confirm(context, warning))) return lines("Nothing was removed.");
    const keep = flags["keep-storage"];
    const until = flags.filter.flatMap((text) =>
      text.startsWith("until=") ? [text.slice("until=".length)] : [],
    );
    const pruned = await context.engine.json<{
      CachesDeleted: readonly string[] | null;
      SpaceReclaimed: number;
    }>("POST", "/build/prune", {
      query: {
        all: flags.all,
        "keep-storage": keep === undefined ? undefined : parseMemorySize(keep),
        ...(until.length === 0 ? {} : { filters: JSON.stringify({ until }) }),
      },
    });
    return lines(...(pruned.CachesDeleted ?? []), `Total:\t${formatSize(pruned.SpaceReclaimed)}`);
  },
});
