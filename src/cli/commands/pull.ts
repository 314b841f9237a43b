import { parseReference } from "../../oci/index.ts";
import { command } from "../command.ts";
import { ExitError } from "../failure.ts";
import { pullImages } from "./pulling.ts";

export default command({
  args: { usage: "NAME[:TAG|@DIGEST]...", min: 1, complete: "image" },
  flags: {
    "all-tags": { kind: "bool", short: "a", help: "Download every tag of the repository" },
    platform: {
      kind: "string",
      value: "OS/ARCH[/VARIANT]",
      help: "Take the image for this platform, not the host's",
    },
    quiet: { kind: "bool", short: "q", help: "Only print the names that were pulled" },
  },
  description:
    "Several images are pulled at the same time, and layers they share once. An interrupted pull keeps what arrived: the next one goes on from there.",
  examples: [
    ["ply pull nginx", "the tag latest from Docker Hub"],
    ["ply pull debian:12 alpine localhost:5000/app:dev", "three images at once"],
    ["ply pull --platform linux/arm64 alpine", "for another platform"],
  ],
  async run(context, flags, references) {
    const { stdio } = context;
    for (const reference of references) {
      const { tag, digest } = parseReference(reference);
      if (flags["all-tags"] && (tag !== undefined || digest !== undefined))
        throw new ExitError(1, "tag can't be used with --all-tags/-a");
      if (tag === undefined && digest === undefined && !flags["all-tags"] && !flags.quiet)
        stdio.out(`Using default tag: latest${references.length > 1 ? ` for ${reference}` : ""}\n`);
    }
    const errors = await pullImages(context, {
      references: [...new Set(references)],
      platform: flags.platform,
      allTags: flags["all-tags"],
      quiet: flags.quiet,
      stream: "stdout",
    });
    return { kind: "lines", lines: [], errors };
  },
});
