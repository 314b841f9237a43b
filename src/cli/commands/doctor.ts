import { isPlyError, messageOf } from "../../error.ts";
import type { PlyDoctorCheck, PlyDoctorReport } from "../../wire/index.ts";
import { defaultRoot, defaultRunRoot } from "../client/index.ts";
import { type CommandContext, command } from "../command.ts";
import { formatTable, type Output, printable } from "../output/index.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    root: {
      kind: "string",
      value: "DIR",
      complete: "directory",
      help: "Look here if no engine answers (/var/lib/ply)",
    },
    "run-root": { kind: "string", value: "DIR", complete: "directory", help: "And here (/run/ply)" },
    format: { kind: "string", value: "FORMAT", help: "'json', or a Go template over the report" },
  },
  description:
    "Tries everything that containers need of the host, for real: rights, programs, cgroup controllers, storage, namespaces, and a container of its own. Says what is missing, what that costs, and the command that cures it. Works also where the engine cannot start, and says why. Exit code 1 when containers do not run here.",
  async run(context, flags): Promise<Output> {
    const report = await reportFrom(context, {
      root: flags.root ?? defaultRoot(context.env, context.uid),
      runRoot: flags["run-root"] ?? defaultRunRoot(context.env, context.uid),
    });
    return {
      kind: "report",
      value: report,
      lines: () => reportLines(report),
      ...(flags.format === undefined ? {} : { format: flags.format }),
      errors: report.ok ? [] : [new Error("containers do not run here")],
    };
  },
});

/** The engine's own view; without an engine, what this program finds itself. */
async function reportFrom(
  context: CommandContext,
  roots: { readonly root: string; readonly runRoot: string },
): Promise<PlyDoctorReport> {
  try {
    return await context.engine.json<PlyDoctorReport>("GET", "/ply/doctor");
  } catch (error) {
    const broken: PlyDoctorCheck = {
      area: "engine",
      name: "engine",
      state: "broken",
      found: messageOf(error),
      cost: "nothing can be done with containers until it answers; what follows was tried without it",
      ...(isPlyError(error) && error.hint !== undefined ? { cure: error.hint } : {}),
    };
    return { ok: false, checks: [broken, ...(await context.examine(roots))] };
  }
}

const WORDS = { works: "ok", limited: "limited", broken: "BROKEN" } as const;

function reportLines({ ok, checks }: PlyDoctorReport): string[] {
  const table = formatTable([
    ["AREA", "CHECK", "STATE", "FOUND"],
    ...checks.map(({ area, name, state, found }) => [
      area,
      name,
      WORDS[state],
      printable(found.split("\n")[0] ?? ""),
    ]),
  ]);
  const lacking = checks.filter(({ state }) => state !== "works");
  return [
    ...table,
    ...lacking.flatMap(remedy),
    "",
    ok ? okWords(lacking.length) : "Containers do not run here.",
  ];
}

function remedy({ name, found, cost, cure }: PlyDoctorCheck): string[] {
  const more = found.split("\n").slice(1).map(printable);
  return [
    "",
    `${name}: ${printable(found.split("\n")[0] ?? "")}`,
    ...more,
    ...(cost === undefined ? [] : [`  costs: ${printable(cost)}`]),
    ...(cure === undefined ? [] : [`  cure:  ${printable(cure)}`]),
  ];
}

function okWords(limited: number): string {
  if (limited === 0) return "Containers run here, with nothing missing.";
  return `Containers run here; ${limited === 1 ? "one thing is" : `${limited} things are`} limited.`;
}
