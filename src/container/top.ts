import { PlyError } from "../error.ts";
import { runProgram } from "../runtime/index.ts";
import type { ContainerRecord } from "./containers.ts";
import type { ProcessTable } from "./execs.ts";
import { hasProcess } from "./state.ts";

const DEFAULT_OPTIONS = "-ef";

/** Throws "conflict" when the container does not run, "invalid" when ps does not like its options. */
export async function listProcesses(
  record: ContainerRecord,
  pids: readonly number[],
  options: string,
): Promise<ProcessTable> {
  mustRun(record);
  const given = options.trim() === "" ? DEFAULT_OPTIONS : options;
  const words = given.split(/\s+/).filter((word) => word !== "");
  // Not every option goes together with a choice of processes: else all are listed, and chosen here.
  const chosen = await runProgram("ps", [...words, `-q${pids.join(",")}`]);
  const { exitCode, output } = chosen.exitCode === 0 ? chosen : await runProgram("ps", words);
  if (exitCode === -1)
    throw new PlyError("unavailable", `cannot run ps: ${output.trim()}`, { hint: "apt-get install procps" });
  if (exitCode !== 0) throw new PlyError("invalid", `error running ps: ${output.trim()}`);
  return parseProcesses(output, pids);
}

export function mustRun({ id, status }: ContainerRecord): void {
  if (status === "restarting")
    throw new PlyError("conflict", `Container ${id} is restarting, wait until the container is running`);
  if (!hasProcess(status)) throw new PlyError("conflict", `container ${id} is not running`);
}

/** The lines of ps about these processes. The last column may have blanks in it. Throws "invalid" without a PID column. */
export function parseProcesses(output: string, pids: readonly number[]): ProcessTable {
  const [heading = "", ...rows] = output.split("\n");
  const titles = heading.split(/\s+/).filter((word) => word !== "");
  const pidColumn = titles.indexOf("PID");
  if (pidColumn < 0)
    throw new PlyError("invalid", "Couldn't find PID field in ps output", {
      hint: "let ps show the PID column too: -o pid,…",
    });
  const wanted = new Set(pids.map(String));
  const processes: string[][] = [];
  let isThreadOfWanted = false;
  for (const row of rows) {
    if (row.trim() === "") continue;
    const cells = row.trim().split(/\s+/);
    const pid = cells[pidColumn] ?? "";
    // Threads (-m, H) have "-" in place of the pid of the process above them.
    isThreadOfWanted = pid === "-" ? isThreadOfWanted : wanted.has(pid);
    if (!isThreadOfWanted) continue;
    const last = titles.length - 1;
    processes.push([...cells.slice(0, last), cells.slice(last).join(" ")]);
  }
  return { titles, processes };
}
