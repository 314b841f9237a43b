import { join } from "node:path";
import { type Builder, openBuilder, openCacheMounts, type RunCommand } from "./build/index.ts";
import { type OpenContainers, runStep } from "./container/index.ts";
import type { Images } from "./image/index.ts";
import { hostPlatform } from "./oci/index.ts";
import { NO_LIMITS } from "./runtime/index.ts";
import type { SnapshotDriver } from "./snapshot/index.ts";
import type { Store } from "./store/index.ts";

export interface BuilderJoints {
  readonly root: string;
  readonly runRoot: string;
  readonly store: Store;
  readonly images: Images;
  readonly snapshots: SnapshotDriver;
  readonly containers: OpenContainers;
}

/** The builder, with the containers that run its steps. */
export function joinBuilder({ root, runRoot, store, images, snapshots, containers }: BuilderJoints): Builder {
  return openBuilder({
    store,
    images,
    view: (stack) => snapshots.view(stack),
    run: stepsIn(containers),
    cacheMounts: openCacheMounts(join(root, "build", "cache")),
    spool: join(root, "build", "spool"),
    secrets: join(runRoot, "build"),
    platform: hostPlatform(),
    clock: Date.now,
  });
}

function stepsIn(containers: OpenContainers): RunCommand {
  return ({
    stack,
    base,
    config,
    args,
    network,
    isPrivileged,
    mounts,
    settings,
    signal,
    onStart,
    onOutput,
  }) =>
    runStep(containers, {
      over: { imageId: base.imageId, config, stack },
      imageName: base.imageName,
      args,
      host: {
        networkMode: network,
        privileged: isPrivileged,
        securityOpt: settings.securityOpt ?? [],
        ...(settings.resources === undefined ? {} : { resources: { ...NO_LIMITS, ...settings.resources } }),
      },
      settings: {
        mounts: mounts.map(({ kind, source, target, readOnly, sizeBytes }) => ({
          kind,
          source,
          target,
          readOnly,
          ...(sizeBytes === undefined ? {} : { tmpfsSize: sizeBytes }),
        })),
        ...(settings.shmSize === undefined ? {} : { shmSize: settings.shmSize }),
        ...(settings.extraHosts === undefined ? {} : { extraHosts: settings.extraHosts }),
        ...(settings.ulimits === undefined ? {} : { ulimits: settings.ulimits }),
      },
      ...(signal === undefined ? {} : { signal }),
      onStart,
      onOutput,
    });
}
