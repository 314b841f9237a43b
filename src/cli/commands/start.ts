import { command } from "../command.ts";
import { UsageError } from "../failure.ts";
import { openRun } from "../session/index.ts";
import { eachName } from "./each-name.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER...", min: 1, complete: "container" },
  flags: {
    attach: { kind: "bool", short: "a", help: "Show its output and exit as it does" },
    interactive: { kind: "bool", short: "i", help: "Pass standard input on" },
    "detach-keys": { kind: "string", value: "KEYS", help: "Keys that leave it running (ctrl-p,ctrl-q)" },
  },
  async run(context, flags, names) {
    const { engine } = context;
    if (!flags.attach && !flags.interactive)
      return eachName(names, async (name) => {
        await engine.json("POST", `/containers/${segment(name)}/start`);
        return [name];
      });
    const [name = ""] = names;
    if (names.length > 1) throw new UsageError("you cannot start and attach multiple containers at once", 1);
    using running = await openRun(context, {
      path: `/ply/containers/${segment(name)}/run`,
      request: { query: { stdin: flags.interactive } },
      stdin: flags.interactive,
      proxySignals: true,
      detachKeys: flags["detach-keys"],
    });
    return { kind: "exit", code: await running.finish() };
  },
});
