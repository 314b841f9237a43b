import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Listener } from "./api/index.ts";
import type { Engine, EngineOptions } from "./engine.ts";
import { messageOf, PlyError } from "./error.ts";
import { VERSION } from "./version.ts";

export interface ServeOptions {
  readonly root: string;
  readonly runRoot: string;
  /** `unix:///path`, `tcp://host:port`. */
  readonly hosts: readonly string[];
  readonly storageDriver?: string;
  /** As Docker's `userns-remap`. */
  readonly usernsRemap?: string;
  /** Name → path. */
  readonly runtimes?: Readonly<Record<string, string>>;
  readonly defaultRuntime?: string;
  /** See {@link EngineOptions.cgroupFavordynmods}. */
  readonly cgroupFavordynmods?: boolean;
  /** See {@link EngineOptions.builderGc}. */
  readonly builderGc?: NonNullable<EngineOptions["builderGc"]>;
  /** Folder with `engine.json`, `registries.json` and `certs.d/`. */
  readonly configDir?: string;
  /**
   * The engine belongs to whoever holds its standard input: when that ends, it ends with all its containers, networks
   * and volumes; with "all", its roots go too.
   */
  readonly ephemeral?: Ephemeral;
  /** For `tcp://` hosts; their port is 2376 then, where none is given. */
  readonly tls?: ServeTls;
  /** Listen beyond loopback for clients that are not verified. */
  readonly allowInsecureTcp?: boolean;
  /** Makes the engine: `openEngine` of engine.ts. */
  readonly openEngine: (options: EngineOptions) => Promise<Engine>;
  /** Ends the process's work when aborted. Absent: SIGTERM and SIGINT do. */
  readonly signal?: AbortSignal;
  /** Called once everything listens. */
  readonly onListening?: (hosts: readonly string[]) => void;
  /** Where log lines go; stderr, with the time, when absent. */
  readonly log?: (line: string) => void;
}

/** PEM files. */
export interface ServeTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Clients need a certificate of the CA. */
  readonly verifies: boolean;
}

export type Ephemeral = "all" | "containers";

/**
 * Runs one engine behind its doors until it is told to stop. Throws when it cannot start: "conflict" when another
 * engine owns the root or listens already. Leaves no socket, no pid file and no half-open engine behind.
 */
export async function serve(options: ServeOptions): Promise<void> {
  const log = options.log ?? logToStderr;
  const startedAt = performance.now();
  const told = options.signal ?? signalled(log);
  const stopping = options.ephemeral === undefined ? told : AbortSignal.any([told, endOf(process.stdin)]);
  await using closing = new AsyncDisposableStack();
  let owned = false;
  closing.defer(async () => {
    if (owned && options.ephemeral === "all") await removeRoots(options);
  });
  // The API loads while the store opens: each takes some milliseconds.
  const [api, engine] = await Promise.all([
    import("./api/index.ts"),
    openEngine(options, log).then((opened) => closing.use(opened)),
  ]);
  owned = true;
  if (options.ephemeral !== undefined) {
    // What one before it left when it was killed is nobody's.
    await removeAll(engine, log);
    closing.defer(() => removeAll(engine, log));
  }
  // A user's DOCKER_TLS_VERIFY is about engines elsewhere, as long as this one has no TCP port.
  const isOnTcp = options.hosts.some((host) => host.startsWith("tcp:"));
  const tls = options.tls === undefined || !isOnTcp ? undefined : await readTls(options.tls);
  const addresses = options.hosts.map((host) => api.parseListenAddress(host, { tls: tls !== undefined }));
  const server = closing.use(api.createApiServer({ engine, log }));
  const listeners: Listener[] = [];
  for (const address of addresses) {
    const listener = await api.listen(server, address, {
      allowInsecureTcp: options.allowInsecureTcp === true,
      onWarning: (warning) => log(`warning: ${warning}`),
      ...(tls === undefined ? {} : { tls }),
    });
    listeners.push(closing.use(listener));
  }
  await writePidFile(options.runRoot, closing);
  const { storageDriver, runtime, warnings } = engine.info;
  for (const warning of warnings) log(`warning: ${warning}`);
  const hosts = listeners.map((listener) => listener.address);
  log(
    `ply ${VERSION} serves ${options.root} on ${hosts.join(", ")} (${storageDriver.name}, ${runtime.name} ${runtime.version}; ${Math.round(performance.now() - startedAt)} ms)`,
  );
  options.onListening?.(hosts);
  await aborted(stopping);
  log(options.ephemeral === undefined ? "stopping; containers go on running" : "stopping");
  await closing.disposeAsync();
  log("stopped");
}

/** One thing that cannot go keeps nothing else from going. */
async function removeAll(
  { containers, networks, volumes }: Engine,
  log: (line: string) => void,
): Promise<void> {
  const attempt = (work: Promise<void>) =>
    work.catch((error: unknown) => log(`warning: ${messageOf(error)}`));
  await Promise.all(
    containers.list().map(({ id }) => attempt(containers.remove(id, { force: true, volumes: true }))),
  );
  await Promise.all(volumes.list().map(({ name }) => attempt(volumes.remove(name))));
  const made = networks.list().filter(({ builtin }) => !builtin);
  await Promise.all(made.map(({ id }) => attempt(networks.remove(id))));
}

/** Throws "invalid" for what a server cannot do without, "denied" for a file that cannot be read. */
async function readTls({ ca, cert, key, verifies }: ServeTls) {
  if (cert === undefined || key === undefined)
    throw new PlyError("invalid", "TLS needs a certificate and its key", {
      hint: "name them with --tlscert and --tlskey, or put cert.pem and key.pem into DOCKER_CERT_PATH",
    });
  if (verifies && ca === undefined)
    throw new PlyError("invalid", "--tlsverify needs the CA that clients' certificates are of", {
      hint: "name it with --tlscacert, or put ca.pem into DOCKER_CERT_PATH",
    });
  const read = (path: string) =>
    readFile(path, "utf8").catch((cause: unknown) => {
      throw new PlyError("denied", `cannot read ${path}: ${messageOf(cause)}`, { cause });
    });
  return {
    cert: await read(cert),
    key: await read(key),
    ...(verifies && ca !== undefined ? { clientCa: await read(ca) } : {}),
  };
}

async function removeRoots({ root, runRoot }: ServeOptions): Promise<void> {
  const { removeTree } = await import("./overlay/index.ts");
  for (const path of [runRoot, root]) await removeTree(path);
}

function endOf(stream: NodeJS.ReadStream): AbortSignal {
  const controller = new AbortController();
  for (const event of ["end", "close", "error"]) stream.on(event, () => controller.abort());
  stream.resume();
  return controller.signal;
}

async function openEngine(options: ServeOptions, log: (line: string) => void): Promise<Engine> {
  const { openEngine: open, root, runRoot, storageDriver, configDir, usernsRemap } = options;
  const { runtimes, defaultRuntime, cgroupFavordynmods, builderGc } = options;
  for (const [name, path] of Object.entries({
    root,
    runRoot,
    ...(configDir === undefined ? {} : { configDir }),
  }))
    if (!path.startsWith("/"))
      throw new PlyError("invalid", `${name} ${JSON.stringify(path)} is not absolute`);
  // Others need to get through to the socket, not to look around.
  await mkdir(runRoot, { recursive: true, mode: 0o711 });
  return await open({
    root,
    runRoot,
    onTrouble: log,
    ...(storageDriver === undefined ? {} : { storageDriver }),
    ...(configDir === undefined ? {} : { configDir }),
    ...(usernsRemap === undefined ? {} : { usernsRemap }),
    ...(runtimes === undefined ? {} : { runtimes }),
    ...(defaultRuntime === undefined ? {} : { defaultRuntime }),
    ...(cgroupFavordynmods === undefined ? {} : { cgroupFavordynmods }),
    ...(builderGc === undefined ? {} : { builderGc }),
  });
}

async function writePidFile(runRoot: string, closing: AsyncDisposableStack): Promise<void> {
  const path = join(runRoot, "engine.pid");
  await writeFile(path, `${process.pid}\n`);
  closing.defer(async () => {
    const owner = await readFile(path, "utf8").catch(() => "");
    if (owner.trim() === String(process.pid)) await rm(path, { force: true });
  });
}

/** Aborted by the first SIGTERM or SIGINT; a second one ends the process at once, as somebody insists. */
function signalled(log: (line: string) => void): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const)
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      log(`got ${name}`);
      controller.abort();
    });
  return controller.signal;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function logToStderr(line: string): void {
  process.stderr.write(`${new Date().toISOString()} ${line}\n`);
}
