import { command } from "../command.ts";
import { ExitError, UsageError } from "../failure.ts";
import { DONE, formatSize } from "../output/index.ts";
import { type Endpoint, parseEndpoint, planCopy } from "./copy-rules.ts";

export default command({
  args: { usage: "[NAME:]PATH|- [NAME:]PATH|-", min: 2, max: 2, complete: "file" },
  flags: {
    archive: { kind: "bool", short: "a", help: "Keep owners; into a container: its user owns what comes" },
    "follow-link": { kind: "bool", short: "L", help: "Copy what a link leads to instead of the link" },
    quiet: { kind: "bool", short: "q", help: "Do not say what was copied" },
  },
  description:
    "NAME is a container, running or not, an image (to read from) or a volume; without one, PATH is of this host. From one to another works too. `-` is a tar archive on stdin or stdout. DIR/. means what is in DIR.",
  examples: [
    ["ply cp page.html web:/usr/share/nginx/html", "into a container"],
    ["ply cp debian:12:/etc/os-release .", "out of an image: no container is made"],
    ["ply cp old:/data/. new:/data", "from one container into another"],
    ["ply cp backup.sql pgdata:/", "into a volume"],
    ["ply cp web:/var/log - | tar t", "a tar archive"],
  ],
  async run(context, flags, [from = "", to = ""]) {
    const { engine, stdio } = context;
    const source = parseEndpoint(from);
    const destination = parseEndpoint(to);
    if (source.place === undefined && destination.place === undefined)
      throw new UsageError("must specify at least one container, image or volume source or destination", 1);
    const ends = await import("./copying.ts");
    using interruption = context.interruptible();
    const { signal } = interruption;
    const options = {
      archive: flags.archive,
      followLink: flags["follow-link"],
      keepHoles: !isStream(destination),
      signal,
    };
    let bytes = 0;
    const count = (more: number): void => {
      bytes += more;
    };
    const openSource = () =>
      source.place === undefined
        ? ends.hostSource(source.path, options)
        : ends.placeSource(engine, source.place, source.path, options);

    if (isStream(destination)) {
      if (stdio.isTerminal("stdout"))
        throw new ExitError(1, "cowardly refusing to write an archive to a terminal: redirect it");
      const { open } = await openSource();
      for await (const chunk of await open(undefined)) await stdio.writeBytes("stdout", chunk);
      return DONE;
    }
    const target =
      destination.place === undefined
        ? ends.hostDestination(destination.path, options)
        : await ends.placeDestination(engine, destination.place, destination.path, options);
    if (isStream(source)) {
      if (target.destination.kind !== "directory")
        throw new ExitError(1, `destination ${JSON.stringify(to)} must be a directory`);
      await target.write(target.destination.path, tallied(stdio.input(), count));
    } else {
      const opened = await openSource();
      const plan = planCopy(opened.source, target.destination);
      await target.write(plan.directory, ends.counted(await opened.open(plan.rename?.to), count));
    }
    if (!flags.quiet) stdio.err(`Successfully copied ${formatSize(bytes)} to ${to}\n`);
    return DONE;
  },
});

/** Whatever comes: it may be compressed. */
async function* tallied(
  chunks: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    count(chunk.length);
    yield chunk;
  }
}

function isStream({ place, path }: Endpoint): boolean {
  return place === undefined && path === "-";
}
