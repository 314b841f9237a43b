import { PlyError } from "../../error.ts";
import { canonicalName, parseReference } from "../../oci/index.ts";
import type { PlyPushMessage, PlyPushRequest } from "../../wire/index.ts";
import { answeredError } from "../../wire/index.ts";
import { command } from "../command.ts";
import { registryConfigHeaders } from "../credentials.ts";
import { ExitError, INTERRUPTED } from "../failure.ts";
import { DONE } from "../output/index.ts";
import { createDisplay } from "../progress/index.ts";
import { titleOf } from "./pulling.ts";

export default command({
  args: { usage: "NAME[:TAG]", min: 1, max: 1, complete: "image" },
  flags: {
    "all-tags": { kind: "bool", short: "a", help: "Upload every tag of the repository" },
    platform: { kind: "string", value: "OS/ARCH[/VARIANT]", help: "Upload the image of this platform only" },
    quiet: { kind: "bool", short: "q", help: "Only print the name that was pushed" },
  },
  description: "Layers the registry has, in this repository or another one, are not uploaded again.",
  examples: [
    ["ply push localhost:5000/app:1.2", "one tag"],
    ["ply push -a localhost:5000/app", "all tags of a repository"],
  ],
  async run(context, flags, [name = ""]) {
    const { stdio } = context;
    using interruption = context.interruptible();
    const { signal } = interruption;
    const reference = parseReference(name);
    if (flags["all-tags"] && (reference.tag !== undefined || reference.digest !== undefined))
      throw new ExitError(1, "tag can't be used with --all-tags/-a");
    const repository = canonicalName(reference);
    const title = titleOf(name);
    const request: PlyPushRequest = {
      reference: name,
      ...(flags["all-tags"] ? { allTags: true } : {}),
      ...(flags.platform === undefined ? {} : { platform: flags.platform }),
    };
    const display = flags.quiet ? undefined : createDisplay({ stdio, stream: "stdout" });
    if (display !== undefined) {
      if (reference.tag === undefined && !flags["all-tags"]) stdio.out("Using default tag: latest\n");
      stdio.out(`The push refers to repository [${repository}]\n`);
    }
    let finished = false;
    try {
      const messages = await context.engine.stream<PlyPushMessage>("POST", "/ply/images/push", {
        json: request,
        headers: await registryConfigHeaders([name], context.env),
        signal,
      });
      for await (const message of messages) {
        if (message.type === "progress") display?.update(title, message.progress);
        else if (message.type === "pushed") {
          if (display === undefined) stdio.out(`${repository}:${message.tag}\n`);
          else display.settle(title, [`${message.tag}: digest: ${message.digest} size: ${message.size}`]);
        } else if (message.type === "error") throw answeredError(0, message.error);
        else finished = true;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new ExitError(INTERRUPTED, "Push cancelled. Layers that are uploaded stay at the registry.");
    } finally {
      display?.close();
    }
    if (!finished)
      throw new PlyError("unavailable", "the engine closed the connection in the middle of the push", {
        hint: "push again: what the registry has is not uploaded twice",
      });
    return DONE;
  },
});
