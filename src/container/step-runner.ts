import type { ImageRecord } from "../store/index.ts";
import type { Containers, HostOptions, LayersToRun } from "./containers.ts";
import type { HostSettings } from "./host-settings.ts";
import { NO_PROCESS_OPTIONS } from "./process-config.ts";

/** One command to run over layers, with nothing kept but what it wrote. */
export interface StepToRun {
  readonly over: LayersToRun;
  readonly imageName: string;
  readonly args: readonly string[];
  /** "": one made of the container's id. */
  readonly hostname: string;
  readonly host: Pick<
    HostOptions,
    "networkMode" | "resources" | "securityOpt" | "privileged" | "capAdd" | "capDrop" | "binds"
  >;
  readonly settings: HostSettings;
  readonly signal?: AbortSignal;
  readonly onStart: (id: string) => void;
  readonly onOutput: (stream: "stdout" | "stderr", bytes: Uint8Array) => void;
}

export interface StepDone extends AsyncDisposable {
  readonly exitCode: number;
  /** The kernel killed something in it for want of memory. */
  readonly isOutOfMemory: boolean;
  /** The writable layer in overlayfs form; there until this is disposed. */
  readonly upper: string;
}

/** What the runner needs of the containers. */
export type StepContainers = Pick<
  Containers,
  "create" | "attach" | "start" | "wait" | "get" | "remove" | "list"
> & {
  upperOf(id: string): Promise<string>;
};

/**
 * Runs a command in a container of its own to its end; dispose the result to remove it. Throws what `create` and
 * `start` throw, "cancelled" when the signal is aborted; no container is left then.
 */
export async function runStep(containers: StepContainers, step: StepToRun): Promise<StepDone> {
  const { over, signal } = step;
  signal?.throwIfAborted();
  const { id } = await containers.create({
    image: step.imageName,
    over,
    process: { ...NO_PROCESS_OPTIONS, entrypoint: [], cmd: step.args, hostname: step.hostname },
    host: {
      ...step.host,
      isStep: true,
      autoRemove: false,
      readOnlyRootfs: false,
      logging: { driver: "none", options: {} },
      settings: { ...step.settings, usernsMode: "host" },
    },
  });
  const remove = () => containers.remove(id, { force: true, volumes: true });
  const onAbort = () => void remove().catch(() => undefined);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    await using attachment = await containers.attach(id, { stdin: false, stdout: true, stderr: true });
    const output = (async () => {
      for await (const { stream, bytes } of attachment.output) step.onOutput(stream, bytes);
    })();
    output.catch(() => undefined);
    await containers.start(id);
    step.onStart(id);
    const { exitCode } = await containers.wait(id, "not-running", signal);
    await output;
    signal?.throwIfAborted();
    const { oomKilled: isOutOfMemory } = containers.get(id);
    return { exitCode, isOutOfMemory, upper: await containers.upperOf(id), [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove().catch(() => undefined);
    throw error;
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Removes what steps of an engine that was killed have left. */
export async function removeLeftSteps(containers: Pick<Containers, "list" | "remove">): Promise<void> {
  for (const { id, host } of containers.list())
    if (host.isStep) await containers.remove(id, { force: true, volumes: true });
}

/** A record for layers that are no image. */
export function imageOver({ imageId, stack }: LayersToRun): ImageRecord {
  return {
    id: imageId,
    diffIds: stack?.layers.map(({ diffId }) => diffId) ?? [],
    chainId: stack?.chainId ?? null,
    os: "",
    architecture: "",
    variant: "",
    builtAt: null,
    arrivedAt: 0,
    lastUsedAt: null,
    lastTaggedAt: null,
    parentId: null,
    names: [],
    repoDigests: [],
    manifests: [],
  };
}
