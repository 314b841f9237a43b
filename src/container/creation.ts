import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { isPlyError, PlyError } from "../error.ts";
import type { ImageRecord } from "../store/index.ts";
import { SESSION_LABEL } from "../wire/index.ts";
import type { ContainerMount, ContainerRecord, CreateOptions } from "./containers.ts";
import { checkLimits } from "./controls.ts";
import { checkSource } from "./host-launch.ts";
import { lender, withJoinedIds } from "./joined.ts";
import { checkLaunch } from "./launch.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { LifecycleParts } from "./lifecycle-context.ts";
import { resolveLogging } from "./log-option.ts";
import { parseVolumesFrom, type WantedMount, wantedMounts } from "./mount-option.ts";
import { checkName, freeName } from "./name.ts";
import { withNetworks } from "./networking.ts";
import { commandLine, mergeProcess } from "./process-config.ts";
import { parseSignal } from "./signal.ts";
import { imageOver } from "./step-runner.ts";
import type { UserNamespaces } from "./user-namespace.ts";

export interface CreationContext extends Omit<LifecycleParts, "dropSnapshots"> {
  readonly lifecycle: Lifecycle;
  readonly userNamespaces: UserNamespaces;
  readonly dirOf: (id: string) => string;
}

/** What a container is by its image and its options, whatever becomes of it. */
export type ContainerSettings = Pick<
  ContainerRecord,
  "imageId" | "imageName" | "config" | "process" | "host" | "path" | "args" | "mounts" | "idMap"
>;

/** Makes all that is needed before a container can be written down, its volumes among them. */
export async function settle(
  context: CreationContext,
  options: CreateOptions,
  own: { readonly id: string; readonly image: ImageRecord; readonly mountsBefore: readonly ContainerMount[] },
): Promise<{ readonly settings: ContainerSettings; readonly warnings: readonly string[] }> {
  const { table, launch, images, userNamespaces } = context;
  const { id, image } = own;
  const logging = resolveLogging(options.host.logging);
  const limits = checkLimits(context.runtime, options.host);
  const networking = withNetworks(context.networks, withJoinedIds(limits.host, launch.find), launch.find);
  const { host } = networking;
  const taken = table.list().flatMap(({ record }) => (record.id === id ? [] : (record.idMap ?? [])));
  const [config, warnings, idMap] = await Promise.all([
    options.over ?? images.configOf(image.id),
    checkLaunch(launch, host),
    userNamespaces.mapFor(host, taken),
    context.runtime.checkRuntime(host.settings?.runtime ?? ""),
  ]);
  const process = mergeProcess(config.config ?? {}, options.process);
  if (process.StopSignal) parseSignal(process.StopSignal);
  const [path = "", ...args] = commandLine(process);
  const wanted = wantedMounts(
    options.host,
    Object.keys(config.config?.Volumes ?? {}),
    lentMounts(context, options.host.settings?.volumesFrom ?? []),
  );
  for (const mount of wanted) checkSource(mount);
  const mounts: ContainerMount[] = [];
  for (const mount of wanted) {
    const source =
      mount.kind === "volume"
        ? await volumeName(context, mount, own, options.process.labels[SESSION_LABEL])
        : mount.source;
    mounts.push({
      ...mount,
      source: source ?? "",
      ...(mount.kind === "image" ? await imageOf(context, mount) : {}),
    });
  }
  const settings: ContainerSettings = {
    imageId: image.id,
    imageName: options.image,
    config: process,
    process: options.process,
    host: { ...host, logging },
    ...(idMap === undefined ? {} : { idMap }),
    path,
    args,
    mounts,
  };
  return { settings, warnings: [...limits.warnings, ...networking.warnings, ...warnings] };
}

export async function createContainer(
  context: CreationContext,
  options: CreateOptions,
): Promise<{ id: string; warnings: string[] }> {
  const { table, images, leases } = context;
  const id = randomBytes(32).toString("hex");
  if (options.name !== undefined) checkName(options.name);
  const { over } = options;
  const image = over === undefined ? images.resolve(options.image) : imageOver(over);
  const name = options.name ?? freeName(table.isTaken);
  table.claimName(name, id);
  try {
    const { settings, warnings } = await settle(context, options, { id, image, mountsBefore: [] });
    const stack = over === undefined ? await images.stackOf(image.id) : over.stack;
    mkdirSync(context.dirOf(id), { recursive: true, mode: 0o710 });
    const record: ContainerRecord = {
      id,
      name,
      ...settings,
      createdAt: context.clock(),
      status: "created",
      pid: 0,
      exitCode: 0,
      error: "",
      oomKilled: false,
      startedAt: null,
      finishedAt: null,
      phases: {},
    };
    table.put({ record, image, stack, mountpoints: [], upper: null });
    if (over?.secretEnv !== undefined) context.launch.secretEnv.set(id, over.secretEnv);
    const lease = leases.hold(`container:${id}`);
    if (over === undefined) leases.addImage(lease, image.id);
    for (const { imageId } of settings.mounts ?? [])
      if (imageId !== undefined) leases.addImage(lease, imageId);
    context.lifecycle.emit(record, "create");
    return { id, warnings: [...warnings] };
  } catch (error) {
    if (table.get(id) === undefined) table.releaseName(name);
    throw error;
  }
}

/** A volume that is made for a container goes with the session that the container goes with. */
async function volumeName(
  { volumes }: CreationContext,
  { source, target, labels, driverOptions }: WantedMount,
  { id, mountsBefore }: { readonly id: string; readonly mountsBefore: readonly ContainerMount[] },
  session?: string,
): Promise<string> {
  const before = mountsBefore.find((mount) => mount.kind === "volume" && mount.target === target);
  const given = source ?? before?.source;
  const { name } = await volumes.ensure({
    ...(given === undefined ? {} : { name: given }),
    ...(driverOptions === undefined ? {} : { options: driverOptions }),
    labels: { ...labels, ...(session === undefined ? {} : { [SESSION_LABEL]: session }) },
  });
  volumes.retain(name, id);
  return name;
}

/** An image to be mounted, as it is now. Throws "invalid": a 404 of `create` means the container's own image to clients. */
async function imageOf(
  { images }: CreationContext,
  { source }: WantedMount,
): Promise<Pick<ContainerMount, "imageId" | "imageStack">> {
  try {
    const { id } = images.resolve(source ?? "");
    const imageStack = await images.stackOf(id);
    return { imageId: id, ...(imageStack === null ? {} : { imageStack }) };
  } catch (error) {
    if (!isPlyError(error, "not-found")) throw error;
    throw new PlyError("invalid", `invalid mount config for type "image": ${error.message}`, {
      hint: `ply pull ${source}`,
      cause: error,
    });
  }
}

/** What other containers have mounted, for one that takes their volumes. */
function lentMounts({ launch }: CreationContext, from: readonly string[]): ContainerMount[] {
  return from.flatMap((text) => {
    const { name, readOnly } = parseVolumesFrom(text);
    const lent = (lender(name, launch.find).mounts ?? []).filter(({ kind }) => kind !== "tmpfs");
    return lent.map((mount) => ({ ...mount, readOnly: readOnly ?? mount.readOnly }));
  });
}
