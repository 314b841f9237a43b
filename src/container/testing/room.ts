import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createEventBus, type EngineEvent, type EventBus } from "../../event/index.ts";
import { type Images, openImages } from "../../image/index.ts";
import { createIngestPool } from "../../layer/index.ts";
import { openNetworks } from "../../network/index.ts";
import { parseReference } from "../../oci/index.ts";
import { openRegistry } from "../../registry/index.ts";
import { type OciRuntime, openRuntime } from "../../runtime/index.ts";
import { chooseDriver, type SnapshotDriver } from "../../snapshot/index.ts";
import { openStore, type Store } from "../../store/index.ts";
import { openVolumes, type Volumes } from "../../volume/index.ts";
import type { CreateOptions, HostOptions, ProcessOptions } from "../containers.ts";
import { type OpenContainers, openContainers } from "../open-containers.ts";
import { NO_PROCESS_OPTIONS } from "../process-config.ts";

/** Containers over all the real parts, as an engine joins them. Dispose to close; what is on disk stays. */
export interface Room extends AsyncDisposable {
  readonly dir: string;
  readonly store: Store;
  readonly images: Images;
  readonly runtime: OciRuntime;
  readonly snapshots: SnapshotDriver;
  readonly volumes: Volumes;
  readonly containers: OpenContainers;
  readonly events: EventBus;
  /** All that was emitted so far. */
  readonly seen: EngineEvent[];
  /** What went wrong where nobody waited. */
  readonly troubles: string[];
}

export async function openRoom(dir: string, storageDriver = "auto"): Promise<Room> {
  await using undo = new AsyncDisposableStack();
  const root = join(dir, "root");
  const runRoot = join(dir, "run");
  await mkdir(runRoot, { recursive: true });
  const pool = undo.use(createIngestPool());
  const store = undo.use(await openStore({ root, ingest: pool.ingest }));
  const { driver } = await chooseDriver({ root, runRoot, wanted: storageDriver });
  const snapshots = undo.use(driver);
  store.onChainUnused = (chainId) => snapshots.remove(chainId);
  const registry = undo.use(openRegistry({ userAgent: "ply-test" }));
  const bus = createEventBus({ remember: 1000 });
  const seen: EngineEvent[] = [];
  const events: EventBus = {
    ...bus,
    emit(event) {
      seen.push({ ...event, timeNano: 0n });
      bus.emit(event);
    },
  };
  const images = openImages({ store, registry, snapshots, events });
  const runtime = undo.use(await openRuntime({ runRoot }));
  const volumes = undo.use(await openVolumes({ root, records: store.records("volume") }));
  const troubles: string[] = [];
  const networks = undo.use(
    openNetworks({
      root: dir,
      engineId: dir,
      networks: store.records("network"),
      attachments: store.records("attachment"),
      events,
      // None of the room's containers is on a network of a user's.
      nameServer: {
        serve: () => undefined,
        stop: () => undefined,
        setServers: () => undefined,
        ready: async () => undefined,
      },
      onTrouble: (message) => troubles.push(message),
    }),
  );
  const containers = undo.use(
    await openContainers({
      records: store.records("container"),
      snapshotRecords: store.records("snapshot"),
      leases: store.leases,
      images,
      snapshots,
      runtime,
      volumes,
      networks,
      events,
      root,
      collectGarbage: () => store.collectGarbage(),
      onTrouble: (message, error) => troubles.push(`${message}: ${String(error)}`),
    }),
  );
  const kept = undo.move();
  const dispose = () => kept.disposeAsync();
  return {
    ...{ dir, store, images, runtime, snapshots, volumes, containers, events, seen, troubles },
    [Symbol.asyncDispose]: dispose,
  };
}

/** Makes the image `box:1` of a directory. */
export async function importRoot(
  room: Room,
  rootfs: string,
  changes: readonly string[] = [],
): Promise<string> {
  const tar = spawn("tar", ["-C", rootfs, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  return room.images.import(tar.stdout, {
    reference: parseReference("box:1"),
    changes: ['CMD ["sh"]', ...changes],
  });
}

interface Wanted {
  readonly name?: string;
  readonly image?: string;
  readonly process?: Partial<ProcessOptions>;
  readonly host?: Partial<HostOptions>;
}

/** `create`'s options for a command in `box:1`, by default as `ply run --network none` has them. */
export function createOptions(
  cmd: readonly string[],
  { name, image, process, host }: Wanted = {},
): CreateOptions {
  return {
    ...(name === undefined ? {} : { name }),
    image: image ?? "box:1",
    process: { ...NO_PROCESS_OPTIONS, cmd, ...process },
    host: {
      networkMode: "host",
      binds: [],
      autoRemove: false,
      readOnlyRootfs: false,
      privileged: false,
      capAdd: [],
      capDrop: [],
      securityOpt: [],
      ...host,
    },
  };
}

/** Creates, attaches, starts and waits: what a client's `run` does. */
export async function runOnce(
  { containers }: Room,
  options: CreateOptions,
  input?: Uint8Array,
): Promise<{ id: string; stdout: string; stderr: string; exitCode: number }> {
  const { id } = await containers.create(options);
  await using attachment = await containers.attach(id, {
    stdin: input !== undefined,
    stdout: true,
    stderr: true,
  });
  const exit = containers.wait(id, options.host.autoRemove ? "removed" : "next-exit");
  exit.catch(() => undefined);
  await containers.start(id);
  const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const reading = (async () => {
    for await (const { stream, bytes } of attachment.output) parts[stream].push(bytes);
  })();
  if (input !== undefined) {
    await attachment.writeStdin(input);
    await attachment.closeStdin();
  }
  await reading;
  const { exitCode } = await exit;
  const text = (chunks: Uint8Array[]) => Buffer.concat(chunks).toString("latin1");
  return { id, stdout: text(parts.stdout), stderr: text(parts.stderr), exitCode };
}
