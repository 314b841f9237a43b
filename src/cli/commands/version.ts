import { VERSION } from "../../version.ts";
import type { DockerVersion } from "../../wire/index.ts";
import { command } from "../command.ts";
import type { Output } from "../output/index.ts";
import { OBJECT_FORMAT_FLAG } from "./format-flag.ts";

/** Newest Docker Engine API this client was written for. */
const API_VERSION = "1.50";

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    client: { kind: "bool", help: "Only the client's; asks no engine" },
    format: OBJECT_FORMAT_FLAG,
  },
  async run(context, flags): Promise<Output> {
    const client = {
      Version: VERSION,
      ApiVersion: API_VERSION,
      DefaultAPIVersion: API_VERSION,
      Runtime: `Bun ${Bun.version}`,
      Os: process.platform,
      Arch: ARCHITECTURES[process.arch] ?? process.arch,
    };
    const report = (Server: DockerVersion | null, errors: readonly unknown[]): Output => ({
      kind: "report",
      value: { Client: client, Server },
      lines: () => [...clientLines(client), ...(Server === null ? [] : serverLines(Server))],
      ...(flags.format === undefined ? {} : { format: flags.format }),
      errors,
    });
    if (flags.client) return report(null, []);
    try {
      return report(await context.engine.json<DockerVersion>("GET", "/version"), []);
    } catch (error) {
      return report(null, [error]);
    }
  },
});

function clientLines(client: {
  readonly Version: string;
  readonly ApiVersion: string;
  readonly Runtime: string;
  readonly Os: string;
  readonly Arch: string;
}): string[] {
  return [
    "Client: ply",
    ` Version:      ${client.Version}`,
    ` API version:  ${client.ApiVersion}`,
    ` Runtime:      ${client.Runtime}`,
    ` OS/Arch:      ${client.Os}/${client.Arch}`,
  ];
}

function serverLines(server: DockerVersion): string[] {
  return [
    "",
    `Server: ${server.Platform?.Name || "ply"}`,
    ` Version:      ${server.Version}`,
    ` API version:  ${server.ApiVersion} (minimum version ${server.MinAPIVersion})`,
    ` OS/Arch:      ${server.Os}/${server.Arch}`,
    ` Kernel:       ${server.KernelVersion}`,
    ...(server.Components ?? [])
      .filter(({ Name }) => Name !== "Engine")
      .map(({ Name, Version }) => ` ${`${Name}:`.padEnd(13)} ${Version}`),
  ];
}
