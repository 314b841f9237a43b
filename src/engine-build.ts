import { join } from "node:path";
import {
  type Builder,
  type CachePolicy,
  openBuilder,
  openCacheMounts,
  openRepositories,
  type RunCommand,
  type RunSettings,
} from "./build/index.ts";
import { type OpenContainers, runStep } from "./container/index.ts";
import type { EventBus } from "./event/index.ts";
import type { Images } from "./image/index.ts";
import { readInterpreters, runsNatively } from "./linux/index.ts";
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
  readonly events: EventBus;
  readonly policy: CachePolicy | undefined;
  readonly log: (message: string) => void;
}

/** The builder, with the containers that run its steps. */
export function joinBuilder(joints: BuilderJoints): Builder {
  const { root, runRoot, store, images, snapshots, containers, events, policy, log } = joints;
  return openBuilder({
    ...{ store, images, events, policy, log },
    view: (stack) => snapshots.view(stack),
    ...(snapshots.viewTree === undefined ? {} : { mountTree: snapshots.viewTree }),
    run: stepsIn(containers),
    cacheMounts: openCacheMounts({
      directory: join(root, "build", "cache"),
      records: store.records("cache-mount"),
      clock: Date.now,
    }),
    spool: join(root, "build", "spool"),
    repositories: openRepositories({
      directory: join(root, "build", "git"),
      records: store.records("build-repository"),
      clock: Date.now,
    }),
    traces: join(root, "build", "traces"),
    secrets: join(runRoot, "build"),
    emulation: {
      isNative: runsNatively,
      find: (head) => readInterpreters(runRoot).find(({ takes }) => takes(head)),
    },
    platform: hostPlatform(),
    clock: Date.now,
  });
}

/** Those that containers have by the same names. */
function hostSettingsOf({
  shmSize = 0,
  extraHosts = [],
  dns = [],
  dnsSearch = [],
  dnsOptions = [],
  devices = [],
  ulimits = [],
  cgroupParent = "",
}: RunSettings) {
  return {
    ...(shmSize > 0 ? { shmSize } : {}),
    cgroupParent,
    extraHosts,
    dns,
    dnsSearch,
    dnsOptions,
    devices,
    ulimits,
  };
}

function stepsIn(containers: OpenContainers): RunCommand {
  return ({
    stack,
    base,
    config,
    secretEnv,
    args,
    hostname,
    network,
    isPrivileged,
    mounts,
    cdiDevices,
    settings,
    signal,
    onStart,
    onOutput,
  }) =>
    runStep(containers, {
      over: { imageId: base.imageId, config, stack, secretEnv },
      imageName: base.imageName,
      args,
      hostname,
      host: {
        networkMode: network,
        privileged: isPrivileged,
        securityOpt: settings.securityOpt ?? [],
        capAdd: settings.capAdd ?? [],
        capDrop: settings.capDrop ?? [],
        binds: settings.binds ?? [],
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
        ...hostSettingsOf(settings),
        cdiDevices,
      },
      ...(signal === undefined ? {} : { signal }),
      onStart,
      onOutput,
    });
}
