import { command } from "../command.ts";
import { ExitError } from "../failure.ts";
import { lines } from "../output/index.ts";
import { feed, openRun, startContainer } from "../session/index.ts";
import { attachPlan } from "./attach-flag.ts";
import {
  CONTAINER_FLAGS,
  createContainer,
  createRequest,
  printWarnings,
  reserveCidFile,
  withImage,
} from "./container-flags.ts";

export default command({
  args: { usage: "IMAGE [COMMAND] [ARG...]", min: 1, complete: "image", stopsFlags: true },
  flags: {
    ...CONTAINER_FLAGS,
    detach: { kind: "bool", short: "d", help: "Leave it running and print its id" },
    "sig-proxy": {
      kind: "string",
      choices: ["true", "false"],
      default: "true",
      value: "true|false",
      help: "Pass signals on to the container",
    },
    "detach-keys": { kind: "string", value: "KEYS", help: "Keys that leave it running (ctrl-p,ctrl-q)" },
  },
  failureCode: 125,
  description:
    "Exits as the command does; 125: ply could not run it, 126: the command cannot be executed, 127: it was not found.",
  examples: [
    ["ply run --rm -it debian bash", "a shell in a throw-away container"],
    ["ply run -d -p 8080:80 nginx", "reached at 127.0.0.1:8080; with -p 0.0.0.0:8080:80 by everybody"],
    ["ply run -d --network app --name db postgres", "others on the network find it as db"],
    ["ply run --rm -v $PWD:/src -w /src node npm test", "a command on the files here"],
    ["echo hello | ply run --rm -i alpine wc -c", "in a pipe"],
  ],
  async run(context, flags, args) {
    const { stdio } = context;
    if (flags.interactive && flags.tty && !flags.detach && !stdio.isTerminal("stdin"))
      throw new ExitError(1, "the input device is not a TTY");
    const recordId = await reserveCidFile(flags.cidfile);
    const attach = attachPlan(flags, { detach: flags.detach });
    const size = flags.tty ? stdio.size("stdin") : undefined;
    const request = createRequest(flags, args, { attach, env: context.env, size });
    if (flags.detach) {
      const id = await createContainer(context, flags, request);
      recordId(id);
      await startContainer(context, `/containers/${id}`);
      return lines(id);
    }
    if (!attach.stdout && !attach.stderr) {
      const id = await createContainer(context, flags, request);
      recordId(id);
      await feed(context, id);
      return lines(id);
    }
    using running = await withImage(context, flags, request.Image, () =>
      openRun(context, {
        path: "/ply/containers/run",
        request: { query: { name: flags.name, platform: flags.platform }, json: request },
        stdin: attach.stdin,
        proxySignals: flags["sig-proxy"] === "true",
        detachKeys: flags["detach-keys"],
      }),
    );
    const { id, warnings } = running;
    recordId(id);
    printWarnings(context, warnings);
    try {
      return { kind: "exit", code: await running.finish() };
    } catch (error) {
      // It did not start, or nobody reads any more. One whose engine was lost goes on, and is adopted by the next.
      if (flags.rm && error instanceof ExitError) await removeQuietly(context, id);
      throw error;
    }
  },
});

/** A container that was to leave nothing would otherwise stay. */
async function removeQuietly({ engine }: Parameters<typeof startContainer>[0], id: string): Promise<void> {
  try {
    await engine.json("DELETE", `/containers/${id}`, { query: { force: true, v: true } });
  } catch {
    // The engine removed it itself, or is gone: the first error is the one to show.
  }
}
