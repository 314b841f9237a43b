import { openFileChunks } from "../../host-file.ts";
import type { PlyCacheMount } from "../../wire/index.ts";
import { command } from "../command.ts";
import { ExitError } from "../failure.ts";
import { formatSize, lines } from "../output/index.ts";

export default command({
  args: { usage: "FILE|-", min: 1, max: 1, complete: "file" },
  flags: {
    id: {
      kind: "string",
      value: "ID",
      help: "Take it in as this cache; needed for an archive that is not ours",
    },
    merge: { kind: "bool", help: "Keep what a cache has and the archive lacks; else it is replaced" },
  },
  description:
    "Takes in what `ply cache export` writes, plain or compressed with gzip or zstd; with --id any tar archive, as the directory of that cache. A cache is changed at once when the whole archive was read, or not at all. One that a build has is refused.",
  examples: [
    ["ply cache import caches.tar.zst", "at the start of a CI job"],
    [
      "ply cache import --id /root/.npm npm.tar.gz",
      "from any archive; the id is the mount's target, unless it says id=",
    ],
  ],
  async run(context, { id, merge }, [file = ""]) {
    const { stdio } = context;
    if (file === "-" && stdio.isTerminal("stdin"))
      throw new ExitError(1, "requested import from stdin, but stdin is a terminal: use a file or a pipe");
    using interruption = context.interruptible();
    const taken = await context.engine.json<PlyCacheMount[]>("POST", "/ply/cache/import", {
      query: { id, merge },
      body: file === "-" ? stdio.input() : await openFileChunks(file),
      signal: interruption.signal,
    });
    return lines(
      ...taken.map(
        ({ id: name, files, size }) =>
          `${name}: ${files} ${files === 1 ? "file" : "files"}, ${formatSize(size)}`,
      ),
    );
  },
});
