import type { PlyCheckResponse } from "../../wire/index.ts";
import { command } from "../command.ts";
import { formatSize, type Output, printable } from "../output/index.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    repair: { kind: "bool", help: "Free what nothing knows, and drop what is broken beyond use" },
    format: { kind: "string", value: "FORMAT", help: "'json', or a Go template over the report" },
  },
  description:
    "Reads every layer and manifest and compares digests, checks that every name resolves, and lists what is on disk that the database does not know. Exit code 1 when something is wrong and was not repaired.",
  async run({ engine, interruptible }, flags): Promise<Output> {
    using interruption = interruptible();
    const report = await engine.json<PlyCheckResponse>("POST", "/ply/system/check", {
      query: { repair: flags.repair },
      signal: interruption.signal,
    });
    const left = report.problems.filter(({ repaired }) => !repaired).length;
    return {
      kind: "report",
      value: report,
      lines: () => reportLines(report, left),
      ...(flags.format === undefined ? {} : { format: flags.format }),
      errors: left === 0 ? [] : [new Error(`${left} problem${left === 1 ? "" : "s"} found`)],
    };
  },
});

function reportLines(report: PlyCheckResponse, left: number): string[] {
  const { problems, layersVerified, blobsVerified, bytesFreed } = report;
  return [
    ...problems.map(
      ({ kind, about, message, repaired }) =>
        `${repaired ? "repaired" : kind}: ${printable(about)}: ${printable(message)}`,
    ),
    `${layersVerified} layers and ${blobsVerified} manifests and configs verified`,
    ...(bytesFreed > 0 ? [`${formatSize(bytesFreed, 4)} freed`] : []),
    ...(problems.length === 0 ? ["The store is sound."] : []),
    ...(left > 0 && left === problems.length ? ["Run 'ply system check --repair' to mend it."] : []),
  ];
}
