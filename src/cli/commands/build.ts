import { type Built, type Failed, follow, type PreparedBuild, sendBuild } from "../../build-request/index.ts";
import { answeredError } from "../../wire/index.ts";
import { answerCall, callOf } from "../build/call.ts";
import { registryHeaders } from "../build/credentials.ts";
import { buildDoor } from "../build/door.ts";
import { explaining } from "../build/explanation.ts";
import { failureReport } from "../build/failure-report.ts";
import { BUILD_FLAGS } from "../build/flags.ts";
import { listContext } from "../build/list-context.ts";
import { loggingTo } from "../build/logfile.ts";
import { outputFields, platformsOf, readOutputs } from "../build/outputs.ts";
import { progressMode } from "../build/progress-mode.ts";
import { showingPushes } from "../build/push-view.ts";
import { prepareBuild } from "../build/request.ts";
import { requestFields } from "../build/request-fields.ts";
import { type Asked, imageIdOf, pushedNames, writeResultFiles } from "../build/result-files.ts";
import { type BuildView, createBuildView } from "../build/view.ts";
import { type CommandContext, command } from "../command.ts";
import { ExitError, INTERRUPTED } from "../failure.ts";
import { DONE, lines, type Output } from "../output/index.ts";

export default command({
  args: { usage: "PATH|URL|-", min: 1, max: 1, complete: "directory" },
  flags: BUILD_FLAGS,
  description:
    "Builds an image from a Dockerfile and the files in a directory, a repository or an archive. Steps whose inputs did not change are taken from the cache; stages nobody needs are not built. Template fields of --list-context: .Path .Kind .Size .Bytes .Included .Rule",
  examples: [
    ["ply build -t web .", "build ./Dockerfile"],
    ["ply build -t web --target test -f docker/web.Dockerfile .", "another file, up to the stage test"],
    ["ply build --check .", "what is doubtful about the Dockerfile"],
    ["ply build --list-context .", "what would be sent, and which rule leaves out what"],
    ["ply build --list-context --format '{{.Path}} {{.Rule}}' .", "the same for a script"],
  ],
  async run(context, flags, [source = ""]) {
    const planned = readOutputs(flags, context.stdio);
    const asked: Asked = {
      planned,
      names: flags.tag,
      hasSeveralPlatforms: platformsOf(flags).length > 1,
    };
    const paths = {
      source,
      files: flags.file,
      ignoreFile: flags.ignorefile,
      named: flags["build-context"],
    };
    const prepared = await prepareBuild(paths, context.stdio);
    if (flags["list-context"]) return listContext(prepared, flags.format);
    const call = callOf(flags);
    if (call !== undefined) return answerCall(context, prepared, requestFields(flags, context.env), call);
    using interruption = context.interruptible();
    const { signal } = interruption;
    const mode = flags.quiet ? "quiet" : progressMode(flags.progress, context.env);
    const stdio = loggingTo(flags.logfile, context.stdio);
    const shown = createBuildView({ stdio, mode, env: context.env });
    const isForPeople = mode !== "quiet" && mode !== "rawjson";
    const told = isForPeople && flags.explain ? explaining(shown, context.stdio) : shown;
    const view = isForPeople ? showingPushes(told, context.stdio) : told;
    try {
      using agents = flags.ssh.length === 0 ? undefined : await agentsOf(flags.ssh, context);
      const own = { ...outputFields(planned, flags), ssh: agents?.sockets ?? {} };
      const request = { ...requestFields(flags, context.env), ...own };
      const answer = await sendBuild(buildDoor(context.engine, signal), prepared, {
        request,
        headers: await registryHeaders(prepared, context, request, pushedNames(asked)),
      });
      const built = await follow(answer, view.show, async (output, content) => {
        const sink = planned.sinks[output];
        if (sink === undefined) return;
        // Only what few builds need is loaded late: it is a fifth of this command.
        const { writeOutput } = await import("../build/write-output.ts");
        await writeOutput(sink, content, { stdio: context.stdio, signal });
      });
      view.close();
      if ("error" in built) return report(built, view, prepared, context);
      await writeResultFiles({ iidfile: flags.iidfile, metadataFile: flags["metadata-file"] }, built, asked);
      if (mode !== "quiet") for (const name of built.names) context.stdio.err(`Tagged ${name}\n`);
      return said(built, asked);
    } catch (error) {
      view.close();
      if (signal.aborted)
        throw new ExitError(INTERRUPTED, "Build cancelled. Nothing of it is left but cached steps.");
      throw error;
    }
  },
});

function report(
  failed: Failed,
  view: BuildView,
  { dockerfile }: PreparedBuild,
  { stdio }: CommandContext,
): Output {
  const text = failureReport({
    step: view.failed,
    output: view.failed === undefined ? "" : view.outputOf(view.failed),
    dockerfile: "text" in dockerfile ? dockerfile : failed.dockerfile,
    line: failed.line,
    endLine: failed.endLine,
  });
  for (const line of text) stdio.err(`${line}\n`);
  return { kind: "lines", lines: [], errors: [answeredError(0, failed.error)] };
}

/** What names the result, unless it is what the standard output has. */
function said(built: Built, asked: Asked): Output {
  const id = imageIdOf(built, asked);
  const isTaken = asked.planned.sinks.some((sink) => sink?.kind === "stdout");
  return id === undefined || isTaken ? DONE : lines(id);
}

/** Agents may be programs to start: what does that is loaded for those who have some. */
async function agentsOf(words: readonly string[], { env, engine }: CommandContext) {
  const { openAgents } = await import("../build/agent-flags.ts");
  return await openAgents(words, { env, address: engine.address });
}
