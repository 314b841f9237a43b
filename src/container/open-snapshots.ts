import { basename, dirname, join } from "node:path";
import { messageOf, PlyError } from "../error.ts";
import { sizeOfTree } from "../linux/index.ts";
import { captureStrata, removeTree, reviveStrata, type Strata, tidyStrata } from "../overlay/index.ts";
import type { Records } from "../store/index.ts";
import type { ContainerSnapshot, ContainerSnapshots, SnapshotDocument } from "./container-snapshots.ts";
import type { ContainerRecord, Containers } from "./containers.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { removeMountpoints } from "./mountpoint.ts";
import type { ContainersParts } from "./parts.ts";
import { openSnapshotTable } from "./snapshot-table.ts";
import { hasProcess, isActive } from "./state.ts";
import type { ContainerDocument, ContainerTable } from "./table.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/;
const FIRST: Strata = ["upper"];

export interface SnapshotsParts extends Pick<ContainersParts, "runtime" | "volumes"> {
  readonly table: ContainerTable;
  readonly lifecycle: Lifecycle;
  /** `store.records("snapshot")`. */
  readonly records: Records;
  readonly clock: () => number;
  readonly dirOf: (id: string) => string;
  readonly stop: Containers["stop"];
  readonly report: (message: string, error: unknown) => void;
}

export interface OpenSnapshots extends ContainerSnapshots {
  /** Ends what an earlier engine left half done. */
  recover(): Promise<void>;
  /** With its container, whose directory goes by itself. In the container's turn. */
  dropAll(containerId: string): Promise<void>;
}

/** Volumes that the container may write to, each once. */
export function volumesOf({ mounts = [] }: ContainerRecord): string[] {
  return [
    ...new Set(
      mounts.flatMap(({ kind, source, readOnly }) => (kind === "volume" && !readOnly ? [source] : [])),
    ),
  ];
}

export function openSnapshots(parts: SnapshotsParts): OpenSnapshots {
  const { table, lifecycle, runtime, volumes, clock, dirOf, report } = parts;
  const kept = openSnapshotTable(parts.records);
  for (const { snapshot, volumes: strata } of kept.all())
    for (const name of Object.keys(strata)) volumes.retain(name, snapshot.containerId);

  const idOf = (container: string): string => table.find(container).record.id;

  function putStrata(id: string, strata: Strata): void {
    const { strata: _, ...rest } = table.find(id);
    const upper = join(dirOf(id), strata[0] ?? "");
    table.put({ ...rest, upper, ...(strata.length === 1 && strata[0] === "upper" ? {} : { strata }) });
  }

  async function create(container: string, given?: string) {
    const id = idOf(container);
    const name = given ?? freeName(id);
    if (!NAME.test(name))
      throw new PlyError(
        "invalid",
        `Invalid snapshot name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
      );
    await lifecycle.upperOf(id);
    return lifecycle.liveOf(id).inTurn(async () => {
      const document = table.find(id);
      const { record } = document;
      if (record.status === "removing" || record.status === "dead" || record.status === "restarting")
        throw new PlyError(
          "conflict",
          `container ${record.name} is ${record.status}: it cannot be kept as it is`,
        );
      if (kept.ofName(id, name) !== undefined)
        throw new PlyError(
          "conflict",
          `Conflict. The snapshot name ${JSON.stringify(name)} is already in use by container ${record.name}`,
          {
            hint: `ply snapshot rm ${record.name} ${name}`,
          },
        );
      return make(document, name);
    });
  }

  async function make(document: ContainerDocument, name: string) {
    const { record } = document;
    const { id } = record;
    const isFrozen = hasProcess(record.status);
    const froze = record.status === "running";
    const warnings = isFrozen ? othersWarning(record) : [];
    const empty: ContainerSnapshot = {
      name,
      containerId: id,
      createdAt: clock(),
      method: "stacked",
      volumes: [],
      tookMs: 0,
    };
    let made: SnapshotDocument = { snapshot: empty, state: "making", root: [], volumes: {}, froze };
    kept.put(made);
    try {
      const begin = performance.now();
      if (froze) await runtime.pause(id);
      try {
        made = await captureAll(document, made, isFrozen);
      } finally {
        if (froze) await runtime.resume(id);
      }
      const tookMs = Math.round((performance.now() - begin) * 10) / 10;
      for (const volume of Object.keys(made.volumes)) volumes.retain(volume, id);
      const snapshot = { ...made.snapshot, tookMs };
      kept.put({ snapshot, state: "ready", root: made.root, volumes: made.volumes });
      lifecycle.emit(record, "snapshot", { snapshot: name });
      if ([snapshot, ...snapshot.volumes].some(({ method }) => method === "copied"))
        warnings.push(
          "the files were copied: of a running container they cannot be kept otherwise on this filesystem (btrfs and xfs share blocks); stopped, it takes no time",
        );
      const left = volumesOf(record).filter((volume) => made.volumes[volume] === undefined);
      if (left.length > 0)
        warnings.push(`not in the snapshot, as they are mounted from elsewhere: ${left.join(", ")}`);
      return { snapshot, warnings };
    } catch (error) {
      await drop(kept.ofName(id, name) ?? made);
      throw error;
    }
  }

  /** Takes note of each part as it comes. */
  async function captureAll(
    document: ContainerDocument,
    made: SnapshotDocument,
    isFrozen: boolean,
  ): Promise<SnapshotDocument> {
    const { record, mountpoints } = document;
    const dir = dirOf(record.id);
    const strata = document.strata ?? FIRST;
    const root = await captureStrata(dir, strata, { isMounted: isFrozen });
    if (root.live !== strata) putStrata(record.id, root.live);
    else removeMountpoints(join(dir, root.kept[0] ?? ""), mountpoints);
    let now: SnapshotDocument = { ...made, root: root.kept };
    const methods: ContainerSnapshot["volumes"][number][] = [];
    for (const name of volumesOf(record)) {
      const method = await volumes.capture(name, {
        isFrozen,
        onKept(strata) {
          now = { ...now, volumes: { ...now.volumes, [name]: strata } };
          kept.put(now);
        },
      });
      if (method !== undefined) methods.push({ name, method });
    }
    return { ...now, snapshot: { ...now.snapshot, method: root.method, volumes: methods } };
  }

  /** A volume that somebody else writes to meanwhile may be kept in the middle of a change. */
  function othersWarning(record: ContainerRecord): string[] {
    return volumesOf(record).flatMap((volume) => {
      const others = volumes.holdersOf(volume).filter((holder) => holder !== record.id);
      return others.length === 0
        ? []
        : [
            `volume ${volume} is in use by ${others.map((each) => each.slice(0, 12)).join(", ")} too, which went on`,
          ];
    });
  }

  function freeName(id: string): string {
    for (let number = kept.of(id).length + 1; ; number++)
      if (kept.ofName(id, `snapshot-${number}`) === undefined) return `snapshot-${number}`;
  }

  async function restore(
    container: string,
    { name, force }: { readonly name?: string; readonly force: boolean },
  ): Promise<ContainerSnapshot> {
    const { record } = table.find(container);
    const { id } = record;
    const wanted = name ?? kept.of(id).findLast(({ state }) => state === "ready")?.snapshot.name;
    if (wanted === undefined) throw new PlyError("not-found", `container ${record.name} has no snapshots`);
    kept.find(id, wanted);
    const live = lifecycle.liveOf(id);
    const wasActive = isActive(record.status);
    if (wasActive && !force)
      throw new PlyError(
        "conflict",
        `cannot restore container ${record.name}: container is ${record.status}: stop the container before restoring it or use --force`,
      );
    live.isRestarted = true;
    try {
      // What it would still write is lost anyway.
      if (wasActive) await parts.stop(id, { timeoutSeconds: 0 });
      await live.inTurn(async () => {
        if (isActive(table.find(id).record.status))
          throw new PlyError("conflict", `cannot restore container ${record.name}: it was started meanwhile`);
        await bringBack(kept.find(id, wanted));
      });
      if (wasActive) await lifecycle.start(id);
    } finally {
      live.isRestarted = false;
    }
    lifecycle.emit(record, "restore", { snapshot: wanted });
    return kept.find(id, wanted).snapshot;
  }

  /** In the container's turn. Done once more after a crash: what is kept stays as it is. */
  async function bringBack(document: SnapshotDocument): Promise<void> {
    const { containerId, name } = document.snapshot;
    const users = Object.keys(document.volumes).flatMap((volume) => volumes.holdersOf(volume));
    if (users.length > 0)
      throw new PlyError(
        "conflict",
        `its volumes are in use by a running container - [${[...new Set(users)].join(", ")}]`,
        {
          hint: "stop these containers first",
        },
      );
    kept.put({ ...document, state: "restoring" });
    putStrata(containerId, await reviveStrata(dirOf(containerId), document.root));
    for (const [volume, strata] of Object.entries(document.volumes)) {
      await volumes.revive(volume, strata, () => kept.pinned(volume));
    }
    await tidy(containerId, Object.keys(document.volumes));
    kept.put({ ...kept.find(containerId, name), state: "ready" });
  }

  /** Takes away what no snapshot needs any more. What cannot be folded stays as it is: it only takes room. */
  async function tidy(id: string, names: readonly string[]): Promise<void> {
    const quietly = (what: string, work: Promise<void>) =>
      work.catch((error: unknown) => report(`${what}: joining what snapshots kept apart`, error));
    const document = table.get(id);
    if (document !== undefined) await quietly(`container ${id}`, tidyRoot(document));
    for (const volume of names)
      if (volumes.list().some(({ name }) => name === volume))
        await quietly(
          `volume ${volume}`,
          volumes.tidy(
            volume,
            () => kept.pinned(volume),
            (stratum) => kept.forget(stratum, { volume }),
          ),
        );
  }

  async function tidyRoot({ record: { id, status } }: ContainerDocument): Promise<void> {
    const dir = dirOf(id);
    const strataNow = (): Strata => table.find(id).strata ?? FIRST;
    const pinned = (): Strata[] =>
      kept.of(id).flatMap(({ state, root }) => (state === "removing" ? [] : [root]));
    await tidyStrata(dir, {
      live: strataNow(),
      kept: pinned(),
      isWhole: false,
      isMounted: hasProcess(status),
      onFold(stratum) {
        putStrata(
          id,
          strataNow().filter((each) => each !== stratum),
        );
        kept.forget(stratum, { containerId: id });
      },
    });
    if (![strataNow(), ...pinned()].some((strata) => strata.includes("upper")))
      await removeTree(join(dir, "upper"));
  }

  async function drop(document: SnapshotDocument): Promise<void> {
    const { containerId } = document.snapshot;
    kept.put({ ...document, state: "removing" });
    const record = table.get(containerId)?.record;
    const names = new Set([
      ...Object.keys(document.volumes),
      ...(record === undefined ? [] : volumesOf(record)),
    ]);
    await tidy(containerId, [...names]);
    kept.delete(document);
    const used = new Set([
      ...(record?.mounts ?? []).map(({ source }) => source),
      ...kept.of(containerId).flatMap(({ volumes: strata }) => Object.keys(strata)),
    ]);
    for (const name of Object.keys(document.volumes)) if (!used.has(name)) volumes.release(name, containerId);
  }

  async function finish(document: SnapshotDocument): Promise<void> {
    const { containerId } = document.snapshot;
    const container = table.get(containerId);
    if (document.froze && container !== undefined && (await runtime.isPaused(containerId))) {
      await runtime.resume(containerId);
      lifecycle.change(containerId, { status: "running" });
    }
    if (document.state === "restoring" && container !== undefined) await bringBack(document);
    else if (document.state !== "ready" || container === undefined) await drop(document);
  }

  return {
    create,
    restore,
    list: (container) =>
      (container === undefined ? kept.all() : kept.of(idOf(container)))
        .filter(({ state }) => state === "ready" || state === "restoring")
        .map(({ snapshot }) => snapshot),
    get: (container, name) => kept.find(idOf(container), name).snapshot,
    async sizeOf(container, name) {
      const id = idOf(container);
      const { root, volumes: strata } = kept.find(id, name);
      const below = (home: string, names: Strata) => names.map((stratum) => join(home, stratum));
      const places = [
        ...below(dirOf(id), root),
        ...Object.entries(strata).flatMap(([volume, names]) =>
          below(dirname(volumes.get(volume).path), names),
        ),
      ];
      const sizes = await Promise.all(places.map(sizeOfTree));
      return sizes.reduce((sum, size) => sum + size, 0);
    },
    async bytesHeld() {
      const held = new Set<string>();
      for (const { snapshot, root, volumes: strata } of kept.all()) {
        const live = table.get(snapshot.containerId)?.strata ?? FIRST;
        for (const name of root) if (!live.includes(name)) held.add(join(dirOf(snapshot.containerId), name));
        for (const [volume, names] of Object.entries(strata)) {
          const { path, strata: own = [basename(path)] } = volumes.get(volume);
          for (const name of names) if (!own.includes(name)) held.add(join(dirname(path), name));
        }
      }
      const sizes = await Promise.all([...held].map(sizeOfTree));
      return sizes.reduce((sum, size) => sum + size, 0);
    },
    remove(container, name) {
      const id = idOf(container);
      return lifecycle.liveOf(id).inTurn(async () => {
        const document = kept.find(id, name);
        await drop(document);
        const record = table.get(id)?.record;
        if (record !== undefined) lifecycle.emit(record, "snapshot-remove", { snapshot: name });
      });
    },
    async dropAll(containerId) {
      for (const document of kept.of(containerId)) await drop(document);
    },
    async recover() {
      for (const document of kept.all())
        if (document.state !== "ready" || table.get(document.snapshot.containerId) === undefined)
          await finish(document).catch((error: unknown) =>
            report(`snapshot ${document.snapshot.name}: ${messageOf(error)}`, error),
          );
    },
  };
}
