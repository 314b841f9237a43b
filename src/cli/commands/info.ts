import { VERSION } from "../../version.ts";
import type { DockerInfo, PlyInfo } from "../../wire/index.ts";
import { command } from "../command.ts";
import { formatDuration, type Output } from "../output/index.ts";
import { OBJECT_FORMAT_FLAG } from "./format-flag.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: { format: OBJECT_FORMAT_FLAG },
  examples: [["ply info -f '{{.Driver}}'", "the storage driver in use"]],
  async run({ engine, stdio }, flags): Promise<Output> {
    const [info, own] = await Promise.all([
      engine.json<DockerInfo>("GET", "/info"),
      engine.json<PlyInfo>("GET", "/ply/info"),
    ]);
    if (flags.format === undefined)
      for (const warning of new Set([...(info.Warnings ?? []), ...own.warnings]))
        stdio.err(`WARNING: ${warning}\n`);
    return {
      kind: "report",
      value: { ...info, Ply: own },
      lines: () => infoLines(info, own, engine.address.text),
      ...(flags.format === undefined ? {} : { format: flags.format }),
    };
  },
});

function infoLines(info: DockerInfo, own: PlyInfo, address: string): string[] {
  const GIBIBYTE = 2 ** 30;
  const rows: (readonly [string, string])[] = [
    [
      "Engine",
      `${own.version} at ${address} (pid ${own.pid}, up ${formatDuration(Date.now() - own.startedAt).toLowerCase()})`,
    ],
    ["Client", VERSION],
    ["Root", own.root],
    [
      "Containers",
      `${info.Containers} (${info.ContainersRunning} running, ${info.ContainersPaused} paused, ${info.ContainersStopped} stopped)`,
    ],
    ["Images", String(info.Images)],
    ["Storage driver", `${own.storageDriver.name}: ${own.storageDriver.description}`],
    ...(info.DriverStatus ?? [])
      .filter(([, value]) => value !== own.storageDriver.description)
      .map(([name, value]) => [`  ${name}`, value] as const),
    ["Runtime", `${own.runtime.name} ${own.runtime.version}`],
    ["Monitor", own.conmonVersion.startsWith("conmon") ? own.conmonVersion : `conmon ${own.conmonVersion}`],
    ["Cgroups", `version ${info.CgroupVersion}, driver ${info.CgroupDriver}`],
    ["Security", (info.SecurityOptions ?? []).join(", ") || "none"],
    ["Kernel", info.KernelVersion],
    ["System", info.OperatingSystem],
    ["Architecture", info.Architecture],
    ["CPUs", String(info.NCPU)],
    ["Memory", `${(info.MemTotal / GIBIBYTE).toFixed(2)}GiB`],
    ["Name", info.Name],
    ["Id", own.id],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${`${name}:`.padEnd(width)}${value}`);
}
