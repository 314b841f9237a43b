import type { PlySnapshotCreated } from "../../wire/index.ts";
import { command } from "../command.ts";
import { lines } from "../output/index.ts";
import { segment } from "./ids.ts";

export default command({
  args: { usage: "CONTAINER [NAME]", min: 1, max: 2, complete: "container" },
  flags: {},
  description:
    "Keeps what the container has written and its volumes as they are now; `ply restore` goes back to it. That takes milliseconds however much it is: where the filesystem cannot share blocks (btrfs, xfs), what is there is laid below a new layer. A running container is frozen meanwhile; on other filesystems its files are copied. Directories of this host (bind mounts) are left out.",
  examples: [
    ["ply stop db && ply snapshot create db seeded && ply start db", "a database with its test data"],
    ["ply restore --force db seeded", "before each test"],
  ],
  async run({ engine, stdio, interruptible }, _flags, [container = "", name]) {
    using interruption = interruptible();
    const { snapshot, warnings } = await engine.json<PlySnapshotCreated>(
      "POST",
      `/ply/containers/${segment(container)}/snapshots`,
      { json: { name: name ?? "" }, signal: interruption.signal },
    );
    for (const warning of warnings) stdio.err(`WARNING: ${warning}\n`);
    return lines(snapshot.name);
  },
});
