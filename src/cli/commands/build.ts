import { writeFileSync } from "node:fs";
import { PlyError } from "../../error.ts";
import { answeredError, type PlyBuildMessage } from "../../wire/index.ts";
import { answerCall, callOf } from "../build/call.ts";
import { registryHeaders } from "../build/credentials.ts";
import { explaining } from "../build/explanation.ts";
import { failureReport } from "../build/failure-report.ts";
import { BUILD_FLAGS, type BuildFlags } from "../build/flags.ts";
import { listContext } from "../build/list-context.ts";
import { type PreparedBuild, prepareBuild } from "../build/request.ts";
import { requestFields } from "../build/request-fields.ts";
import { sendBuild } from "../build/send.ts";
import { type BuildView, createBuildView } from "../build/view.ts";
import { type CommandContext, command } from "../command.ts";
import { ExitError, INTERRUPTED } from "../failure.ts";
import { lines, type Output } from "../output/index.ts";

export default command({
  args: { usage: "PATH|URL|-", min: 1, max: 1, complete: "directory" },
  flags: BUILD_FLAGS,
  description:
    "Builds an image from a Dockerfile and the files in a directory, a repository or an archive. Steps whose inputs did not change are taken from the cache; stages nobody needs are not built.",
  examples: [
    ["ply build -t web .", "build ./Dockerfile"],
    ["ply build -t web --target test -f docker/web.Dockerfile .", "another file, up to the stage test"],
    ["ply build --check .", "what is doubtful about the Dockerfile"],
    ["ply build --list-context .", "what would be sent, and which rule leaves out what"],
  ],
  async run(context, flags, [source = ""]) {
    const paths = { source, file: flags.file, named: flags["build-context"] };
    const prepared = await prepareBuild(paths, context.stdio);
    if (flags["list-context"]) return listContext(prepared);
    const call = callOf(flags);
    if (call !== undefined) return answerCall(context, prepared, requestFields(flags, context.env), call);
    using interruption = context.interruptible();
    const { signal } = interruption;
    const mode = flags.quiet ? "quiet" : flags.progress;
    const shown = createBuildView({ stdio: context.stdio, mode });
    const isTold = flags.explain && mode !== "quiet" && mode !== "rawjson";
    const view = isTold ? explaining(shown, context.stdio) : shown;
    try {
      const messages = await sendBuild(context.engine, prepared, {
        request: requestFields(flags, context.env),
        headers: await registryHeaders(prepared, context),
        signal,
      });
      const built = await follow(messages, view);
      if ("error" in built) return report(built, view, prepared, context);
      writeResult(flags, built);
      return mode === "quiet" ? lines(built.id) : said(context, built);
    } catch (error) {
      view.close();
      if (signal.aborted)
        throw new ExitError(INTERRUPTED, "Build cancelled. Nothing of it is left but cached steps.");
      throw error;
    }
  },
});

type Built = Extract<PlyBuildMessage, { readonly type: "built" }>;
type Failed = Extract<PlyBuildMessage, { readonly type: "error" }>;

async function follow(messages: AsyncIterable<PlyBuildMessage>, view: BuildView): Promise<Built | Failed> {
  let last: Built | Failed | undefined;
  for await (const message of messages) {
    view.show(message);
    if (message.type === "built" || message.type === "error") last = message;
  }
  view.close();
  if (last === undefined)
    throw new PlyError("unavailable", "the engine closed the connection in the middle of the build");
  return last;
}

function report(
  failed: Failed,
  view: BuildView,
  { dockerfile }: PreparedBuild,
  { stdio }: CommandContext,
): Output {
  const text = failureReport({
    step: view.failed,
    output: view.failed === undefined ? "" : view.outputOf(view.failed),
    dockerfile: "text" in dockerfile ? dockerfile : undefined,
    line: failed.line,
    endLine: failed.endLine,
  });
  for (const line of text) stdio.err(`${line}\n`);
  return { kind: "lines", lines: [], errors: [answeredError(0, failed.error)] };
}

function said({ stdio }: CommandContext, { id, names }: Built): Output {
  for (const name of names) stdio.err(`Tagged ${name}\n`);
  return lines(id);
}

function writeResult(flags: BuildFlags, { id, names }: Built): void {
  if (flags.iidfile !== undefined) writeFileSync(flags.iidfile, id);
  if (flags["metadata-file"] === undefined) return;
  const metadata = { "containerimage.config.digest": id, "image.name": names.join(",") };
  writeFileSync(flags["metadata-file"], `${JSON.stringify(metadata, null, 2)}\n`);
}
