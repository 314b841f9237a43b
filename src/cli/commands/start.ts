import type { DockerContainerInspect } from "../../wire/index.ts";
import { command } from "../command.ts";
import { UsageError } from "../failure.ts";
import { runAttached } from "../session/index.ts";
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
    const { Id, Config, HostConfig } = await engine.json<DockerContainerInspect>(
      "GET",
      `/containers/${segment(name)}/json`,
    );
    const code = await runAttached(context, {
      id: Id,
      tty: Config.Tty === true,
      stdin: flags.interactive && Config.OpenStdin === true,
      proxySignals: true,
      detachKeys: flags["detach-keys"],
      start: true,
      until: HostConfig.AutoRemove === true ? "removed" : "next-exit",
    });
    return { kind: "exit", code };
  },
});
