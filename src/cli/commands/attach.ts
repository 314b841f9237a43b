import type { DockerContainerInspect } from "../../wire/index.ts";
import { command } from "../command.ts";
import { ExitError } from "../failure.ts";
import { runAttached } from "../session/index.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER", min: 1, max: 1, complete: "running" },
  flags: {
    "no-stdin": { kind: "bool", help: "Do not pass standard input on" },
    "sig-proxy": {
      kind: "string",
      choices: ["true", "false"],
      default: "true",
      value: "true|false",
      help: "Pass signals on to the container",
    },
    "detach-keys": { kind: "string", value: "KEYS", help: "Keys that leave it running (ctrl-p,ctrl-q)" },
  },
  async run(context, flags, [name = ""]) {
    const { stdio, engine } = context;
    const { Id, Config, State } = await engine.json<DockerContainerInspect>(
      "GET",
      `/containers/${segment(name)}/json`,
    );
    if (!State.Running) throw new ExitError(1, "You cannot attach to a stopped container, start it first");
    const tty = Config.Tty === true;
    const stdin = !flags["no-stdin"] && Config.OpenStdin === true;
    if (tty && stdin && !stdio.isTerminal("stdin")) throw new ExitError(1, "the input device is not a TTY");
    const code = await runAttached(context, {
      id: Id,
      tty,
      stdin,
      proxySignals: flags["sig-proxy"] === "true",
      detachKeys: flags["detach-keys"],
    });
    return { kind: "exit", code };
  },
});
