import { createHash } from "node:crypto";
import { chmodSync, chownSync } from "node:fs";
import type { RunMount } from "../../dockerfile/index.ts";
import type { StepInput } from "../cache/cache.ts";
import type { CacheIdentity } from "./cache-mounts.ts";
import type { MountContext, MountPlan } from "./mount-plan.ts";
import { sourceInputs, sourceOf } from "./mount-source.ts";
import { writeTree } from "./write-tree.ts";

type CacheMount = Extract<RunMount, { type: "cache" }>;

/** As BuildKit has it. */
const DEFAULT_MODE = 0o755;

/** `--mount=type=cache`. What is in the directory is no input of the step. */
export async function planCache({ work, step, target }: MountContext, mount: CacheMount): Promise<MountPlan> {
  const { cacheMounts } = work.session.parts;
  const { from, uid, gid, mode = DEFAULT_MODE, sharing, readOnly } = mount;
  const source = from === undefined ? undefined : await sourceOf(work, { ...mount, from }, step);
  const identify = async (): Promise<CacheIdentity> => ({
    id: idOf(work.session.options.buildArgs?.get("BUILDKIT_CACHE_MOUNT_NS"), mount.id),
    uid,
    gid,
    mode,
    ...(source === undefined ? {} : { from: digestOf(await sourceInputs("", await source.place())) }),
  });
  const inputOf = (from: string | undefined): StepInput => [
    "mount",
    JSON.stringify({ type: "cache", target, readOnly, from }),
  ];
  const read = async (): Promise<StepInput[]> => [inputOf((await identify()).from)];
  return {
    inputs:
      source?.layers === undefined
        ? await read()
        : { defined: [inputOf(`below ${mount.source}`), source.layers], read },
    async open(places) {
      const identity = await identify();
      const fill = async (directory: string) => {
        chmodSync(directory, mode);
        chownSync(directory, uid, gid);
        if (source !== undefined) await writeTree(await source.place(), directory);
      };
      const use = { identity, sharing, target, step: step.text, fill };
      const name = JSON.stringify(identity);
      const held =
        places.caches.get(name) ?? places.stack.use(await cacheMounts.hold(use, work.session.signal));
      places.caches.set(name, held);
      return { mount: { kind: "bind", source: held.directory, target, readOnly } };
    },
  };
}

/** One that several builds of one host keep apart by has its name before the id. */
function idOf(namespace: string | undefined, id: string): string {
  return namespace === undefined || namespace === "" ? id : `${namespace}/${id}`;
}

function digestOf(inputs: readonly (readonly [string, string])[]): string {
  return createHash("sha256").update(JSON.stringify(inputs)).digest("hex");
}
