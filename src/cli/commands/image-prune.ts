import { command } from "../command.ts";
import { UsageError } from "../failure.ts";
import { lines, requireDuration, requireSize } from "../output/index.ts";
import { confirm, pruneFilter, pruneImages } from "./pruning.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    all: { kind: "bool", short: "a", help: "All images no container uses, not only those without a name" },
    filter: {
      kind: "list",
      value: "NAME=VALUE",
      help: "Only those that fit",
    },
    force: { kind: "bool", short: "f", help: "Do not ask" },
    "unused-for": { kind: "string", value: "TIME", help: "Only those nobody used for so long: 7d, 12h" },
    keep: { kind: "int", value: "N", help: "Keep the newest N of each repository" },
    "max-size": {
      kind: "string",
      value: "SIZE",
      help: "Least recently used first, until images take no more: 20GB",
    },
    "dry-run": { kind: "bool", help: "Only show what would go" },
  },
  description:
    "--unused-for, --keep and --max-size look at all images, as -a does. Filters: label=, label!=, reference=, and until=TIME by the day an image was built (built-until), pulled (pulled-until) or last used (used-until). What a container or a running pull needs is never removed.",
  examples: [
    ["ply image prune", "images that lost their name"],
    ["ply image prune -f --unused-for 7d --keep 3", "old ones, but three of each repository"],
    ["ply image prune --max-size 20GB --dry-run", "what a budget would cost"],
  ],
  async run(context, flags) {
    const { keep } = flags;
    if (keep !== undefined && keep < 0)
      throw new UsageError(`invalid argument "${keep}" for "--keep" flag: below zero`);
    const isPolicy =
      flags["unused-for"] !== undefined || keep !== undefined || flags["max-size"] !== undefined;
    const all = flags.all || isPolicy;
    const request = {
      all,
      filter: pruneFilter(flags.filter, Date.now()),
      ...(flags["unused-for"] === undefined ? {} : { unusedForMs: requireDuration(flags["unused-for"]) }),
      ...(keep === undefined ? {} : { keep }),
      ...(flags["max-size"] === undefined ? {} : { maxSize: requireSize(flags["max-size"]) }),
      ...(flags["dry-run"] ? { dryRun: true } : {}),
    };
    const what = isPolicy
      ? "all images that no container uses and that the limits do not keep"
      : all
        ? "all images without at least one container associated to them"
        : "all dangling images";
    if (!flags.force && !flags["dry-run"] && !(await confirm(context, `WARNING! This will remove ${what}.`)))
      return lines("Nothing was removed.");
    return pruneImages(context, request);
  },
});
