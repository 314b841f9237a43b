import { command } from "../command.ts";
import { lines } from "../output/index.ts";
import { confirm, pruneFilter, pruneImages } from "./pruning.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    all: { kind: "bool", short: "a", help: "All images no container uses, not only those without a name" },
    filter: { kind: "list", value: "NAME=VALUE", help: "Only those that fit: until=, label=, label!=" },
    force: { kind: "bool", short: "f", help: "Do not ask" },
  },
  description: "Images only, for now: stopped containers are kept.",
  async run(context, flags) {
    const what = flags.all
      ? "all images without at least one container associated to them"
      : "all dangling images";
    if (!flags.force && !(await confirm(context, `WARNING! This will remove:\n  - ${what}\n`)))
      return lines("Nothing was removed.");
    return pruneImages(context, { all: flags.all, filter: pruneFilter(flags.filter, Date.now()) });
  },
});
