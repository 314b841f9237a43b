import { once } from "node:events";
import { isPlyError, PlyError, throwIfAborted } from "../error.ts";
import type { DockerContainerInspect, DockerExecInspect, DockerWaitResponse } from "../wire/index.ts";
import { tarOfDirectory, tarOfFiles } from "./archive.ts";
import type { Container, ExecOptions, ExecResult, LogOptions } from "./container.ts";
import type { EngineHttp } from "./http.ts";
import { linesOf, outputOf, textOf } from "./output.ts";

/** Between two looks at something that has no event of its own. */
const LOOK_AGAIN_MS = 50;

/** The container with that id or name, whether it is there or not. */
export function openContainer(http: EngineHttp, id: string): Container {
  const at = `/containers/${encodeURIComponent(id)}`;
  const act = async (
    what: string,
    query: Record<string, string | number | undefined> = {},
  ): Promise<void> => {
    await http.json("POST", `${at}/${what}`, { query });
  };
  const inspect = (): Promise<DockerContainerInspect> => http.json("GET", `${at}/json`);

  async function* logs(options: LogOptions = {}) {
    const { Config } = await inspect();
    const chunks = await http.bytes("GET", `${at}/logs`, {
      query: {
        stdout: options.stdout ?? true,
        stderr: options.stderr ?? true,
        follow: options.follow,
        timestamps: options.timestamps,
        tail: options.tail,
        since: options.since === undefined ? undefined : options.since.getTime() / 1000,
      },
      signal: options.signal,
    });
    yield* outputOf(chunks, { tty: Config.Tty === true });
  }

  async function remove(options: { readonly force?: boolean; readonly volumes?: boolean } = {}) {
    try {
      await http.json("DELETE", at, { query: { force: options.force, v: options.volumes } });
    } catch (error) {
      if (!isPlyError(error, "not-found")) throw error;
    }
  }

  return {
    id,
    start: () => act("start"),
    stop: (options = {}) => act("stop", { t: options.timeoutSeconds, signal: options.signal }),
    kill: (signal) => act("kill", { signal }),
    restart: (options = {}) => act("restart", { t: options.timeoutSeconds }),
    pause: () => act("pause"),
    unpause: () => act("unpause"),
    rename: (name) => act("rename", { name }),
    async wait(options = {}) {
      const { StatusCode } = await http.json<DockerWaitResponse>("POST", `${at}/wait`, options);
      return StatusCode;
    },
    inspect,
    logs,
    async waitForLog(pattern, { signal } = {}) {
      const matches = (line: string) =>
        typeof pattern === "string" ? line.includes(pattern) : new RegExp(pattern).test(line);
      for await (const line of linesOf(logs({ follow: true, ...(signal === undefined ? {} : { signal }) })))
        if (matches(line)) return line;
      throw new PlyError("not-found", `${id} ended without a line of its log that matches ${pattern}`);
    },
    async waitUntilHealthy({ signal } = {}) {
      for (;;) {
        throwIfAborted(signal);
        const { State, Name } = await inspect();
        if (State.Health?.Status === "healthy") return;
        if (!State.Running || State.Health === undefined || State.Health.Status === "unhealthy")
          throw new PlyError(
            "unavailable",
            `${Name.slice(1)} is ${State.Health?.Status ?? "without a health check"}, ${State.Status}`,
            { details: { log: State.Health?.Log ?? [] } },
          );
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
    },
    exec: (command, options = {}) => exec(http, at, command, options),
    async attach() {
      const { Config } = await inspect();
      const { socket, head } = await http.hijack(`${at}/attach`, {
        query: { stream: true, stdin: true, stdout: true, stderr: true },
      });
      async function* received(): AsyncGenerator<Uint8Array> {
        if (head.length > 0) yield head;
        yield* socket as AsyncIterable<Uint8Array>;
      }
      return {
        output: outputOf(received(), { tty: Config.Tty === true }),
        async write(bytes) {
          if (!socket.write(bytes)) await once(socket, "drain");
        },
        closeStdin: () => void socket.end(),
        destroy: () => void socket.destroy(),
      };
    },
    async copyInto(path, source) {
      const body =
        Symbol.asyncIterator in source
          ? (source as AsyncIterable<Uint8Array>)
          : "directory" in source && typeof source.directory === "string" && Object.keys(source).length === 1
            ? tarOfDirectory(source.directory)
            : tarOfFiles(source as Parameters<typeof tarOfFiles>[0]);
      await http.json("PUT", `${at}/archive`, { query: { path }, body });
    },
    copyFrom: (path) => http.bytes("GET", `${at}/archive`, { query: { path } }),
    async port(wanted) {
      const key = typeof wanted === "number" ? `${wanted}/tcp` : wanted;
      const { NetworkSettings } = await inspect();
      const bindings = NetworkSettings.Ports[key] as
        | readonly { readonly HostIp: string; readonly HostPort: string }[]
        | null
        | undefined;
      const [binding] = bindings ?? [];
      if (binding === undefined)
        throw new PlyError("not-found", `${id} publishes no port ${key}`, { hint: "name it in ports" });
      const isAny = binding.HostIp === "" || binding.HostIp === "0.0.0.0" || binding.HostIp === "::";
      return { host: isAny ? "127.0.0.1" : binding.HostIp, port: Number(binding.HostPort) };
    },
    remove,
    [Symbol.asyncDispose]: () => remove({ force: true, volumes: true }),
  };
}

async function exec(
  http: EngineHttp,
  at: string,
  command: readonly string[],
  options: ExecOptions,
): Promise<ExecResult> {
  const { Id } = await http.json<{ Id: string }>("POST", `${at}/exec`, {
    json: {
      Cmd: command,
      AttachStdout: true,
      AttachStderr: true,
      Env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
      ...(options.user === undefined ? {} : { User: options.user }),
      ...(options.workingDir === undefined ? {} : { WorkingDir: options.workingDir }),
      Privileged: options.privileged === true,
    },
    signal: options.signal,
  });
  const output = await http.bytes("POST", `/exec/${Id}/start`, {
    json: { Detach: false, Tty: false },
    signal: options.signal,
  });
  const printed = await textOf(outputOf(output, { tty: false }));
  const { ExitCode } = await http.json<DockerExecInspect>("GET", `/exec/${Id}/json`);
  return { ...printed, exitCode: ExitCode ?? -1 };
}
