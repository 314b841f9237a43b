import { createDeflatePool, type Deflater, gzipStream, zstdStream } from "../../compress/index.ts";
import { writeFileWhole } from "../../host-file.ts";
import { command } from "../command.ts";
import { ExitError, UsageError } from "../failure.ts";
import { DONE } from "../output/index.ts";

export default command({
  args: { usage: "[CACHE...]", min: 0 },
  flags: {
    all: { kind: "bool", short: "a", help: "All of them" },
    output: {
      kind: "string",
      short: "o",
      value: "FILE",
      complete: "file",
      help: "Write here instead of to stdout; compressed when it ends in .gz, .tgz or .zst",
    },
  },
  description:
    "Cache mounts as a tar archive, for `ply cache import` on another machine, where builds find them under the same ids. An id means all caches that have it, a key one of them. Each is read when no build has it.",
  examples: [
    ["ply cache export --all -o caches.tar.zst", "at the end of a CI job"],
    ["ply cache export go-build | ssh host ply cache import -", "to another machine"],
  ],
  async run(context, { all, output }, names) {
    const { stdio } = context;
    if (all === names.length > 0) throw new UsageError("name caches, or give --all");
    const isToStdout = output === undefined || output === "-";
    if (isToStdout && stdio.isTerminal("stdout"))
      throw new ExitError(1, "cowardly refusing to write to a terminal: use the -o flag or redirect");
    using interruption = context.interruptible();
    const { body } = await context.engine.request("GET", "/ply/cache/export", {
      query: { name: names, all },
      signal: interruption.signal,
    });
    await using deflater = createDeflatePool();
    if (!isToStdout) await writeFileWhole(output, compressed(output, body, deflater));
    else for await (const chunk of body) await stdio.writeBytes("stdout", chunk);
    return DONE;
  },
});

function compressed(
  name: string,
  tar: AsyncIterable<Uint8Array>,
  deflater: Deflater,
): AsyncIterable<Uint8Array> {
  if (/\.t?gz$/.test(name)) return gzipStream(tar, { deflater });
  return /\.t?zst$/.test(name) ? zstdStream(tar) : tar;
}
