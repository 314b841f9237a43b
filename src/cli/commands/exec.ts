import { isPlyError } from "../../error.ts";
import { command } from "../command.ts";
import { ExitError } from "../failure.ts";
import { runExec, startFailureCode } from "../session/index.ts";
import { environmentOf, PROCESS_FLAGS } from "./env-flags.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER COMMAND [ARG...]", min: 2, complete: "running", stopsFlags: true },
  flags: {
    detach: { kind: "bool", short: "d", help: "Leave it running in the background" },
    "detach-keys": { kind: "string", value: "KEYS", help: "Keys that leave it running (ctrl-p,ctrl-q)" },
    env: PROCESS_FLAGS.env,
    "env-file": PROCESS_FLAGS["env-file"],
    interactive: { kind: "bool", short: "i", help: "Pass standard input on" },
    privileged: { kind: "bool", help: "All capabilities" },
    tty: { kind: "bool", short: "t", help: "Give it a terminal" },
    user: PROCESS_FLAGS.user,
    workdir: PROCESS_FLAGS.workdir,
  },
  description:
    "Exits as the command does; 126: the command cannot be executed, 127: it was not found, 128 + n: signal n ended it.",
  examples: [
    ["ply exec -it web bash", "a shell beside what runs in the container"],
    ["ply exec web cat /etc/hosts", "what a file has in it"],
    ["ply exec -u postgres db psql -c 'select 1'", "as another user of the image"],
  ],
  async run(context, flags, [container = "", ...cmd]) {
    const { stdio } = context;
    const attaches = !flags.detach;
    if (flags.interactive && flags.tty && attaches && !stdio.isTerminal("stdin"))
      throw new ExitError(1, "the input device is not a TTY");
    const size = flags.tty && attaches ? stdio.size("stdin") : undefined;
    try {
      const code = await runExec(context, {
        container: segment(container),
        request: {
          Cmd: cmd,
          Env: environmentOf(flags, context.env),
          WorkingDir: flags.workdir ?? "",
          User: flags.user ?? "",
          Tty: flags.tty,
          Privileged: flags.privileged,
          AttachStdin: flags.interactive && attaches,
          AttachStdout: attaches,
          AttachStderr: attaches,
          DetachKeys: flags["detach-keys"] ?? "",
          ...(size === undefined ? {} : { ConsoleSize: [size.rows, size.columns] }),
        },
        detach: flags.detach,
      });
      return { kind: "exit", code };
    } catch (error) {
      // What could not be run in the background is told by the answer to its start.
      if (isPlyError(error) && error.message.startsWith("OCI runtime exec failed"))
        throw new ExitError(startFailureCode(error.message) === 127 ? 127 : 126, `Error: ${error.message}`);
      throw error;
    }
  },
});
