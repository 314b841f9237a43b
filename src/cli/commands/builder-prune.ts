import { command } from "../command.ts";
import { formatSize, lines } from "../output/index.ts";
import { memoryBytes } from "./memory-size.ts";
import { confirm, pruneBuildCache } from "./pruning.ts";

const LIMITS = ["keep-storage", "reserved-space", "max-used-space", "min-free-space"] as const;

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    all: { kind: "bool", short: "a", help: "All that no build has, also what images have" },
    filter: {
      kind: "list",
      value: "NAME=VALUE",
      help: "Only what fits: until=24h, id, type, description, …",
    },
    force: { kind: "bool", short: "f", help: "Do not ask" },
    "keep-storage": { kind: "string", value: "BYTES", help: "Docker's older name of --reserved-space" },
    "reserved-space": { kind: "string", value: "BYTES", help: "Keep the most recently used up to this size" },
    "max-used-space": { kind: "string", value: "BYTES", help: "Remove until it takes no more than this" },
    "min-free-space": { kind: "string", value: "BYTES", help: "Remove until the disk has this much left" },
  },
  description:
    "The least recently used goes first; what a build has, never. Filters: until=TIME (unused-for=TIME), id, parent, type=regular|exec.cachemount|source.git.checkout, description, inuse, shared, private.",
  examples: [
    ["ply builder prune -f --filter unused-for=7d", "what nobody used for a week"],
    ["ply builder prune -af --max-used-space 10g", "down to 10 GiB"],
  ],
  async run(context, flags) {
    const warning = flags.all
      ? "WARNING! This will remove all build cache."
      : "WARNING! This will remove all dangling build cache.";
    if (!flags.force && !(await confirm(context, warning))) return lines("Nothing was removed.");
    const limits = Object.fromEntries(LIMITS.map((name) => [name, memoryBytes(name, flags[name])]));
    const { deleted, bytes } = await pruneBuildCache(context, {
      all: flags.all,
      filter: flags.filter,
      limits,
    });
    return lines(...deleted, `Total reclaimed space: ${formatSize(bytes, 4)}`);
  },
});
