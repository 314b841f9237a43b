import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { SeccompProfile } from "./seccomp.ts";
import type { OciSpec } from "./spec.ts";

/** crun takes a compiled filter (base64) in place of the profile, which then is not read. */
const BPF_ANNOTATION = "run.oci.seccomp_bpf_data";
/** Where crun leaves the filter it compiled, in the container's state directory. */
export const COMPILED_FILTER = "seccomp.bpf";
/** The kernel takes 4096 instructions of 8 bytes. */
const FILTER_LIMIT = 4096 * 8;
/** Profiles beyond the default one are rare: nobody makes more than this without meaning harm. */
const CACHE_LIMIT = 64;

/**
 * Compiled seccomp filters by profile. crun compiles the default profile in some 25 ms of processor time, for
 * every container: more than all the rest of a start. The filter is taken from the first container.
 */
export interface SeccompCache {
  /** The spec with the compiled filter in it, where there is one. The profile stays for a crun that knows no filters. */
  apply(spec: OciSpec): Promise<OciSpec>;
  /** Keeps what crun compiled for this spec in `stateDir`. Never throws. */
  learn(spec: OciSpec, stateDir: string): Promise<void>;
}

/** Filters live in `dir` as well, for the next engine; `version` is that of crun. */
export function openSeccompCache(dir: string, version: string): SeccompCache {
  const filters = new Map<string, string>();
  const keys = new WeakMap<SeccompProfile, string>();
  const keyOf = (profile: SeccompProfile): string => {
    const known = keys.get(profile);
    if (known !== undefined) return known;
    const key = createHash("sha256").update(version).update(JSON.stringify(profile)).digest("hex");
    keys.set(profile, key);
    return key;
  };

  async function find(key: string): Promise<string | undefined> {
    const known = filters.get(key);
    if (known !== undefined) return known;
    const bytes = await readFile(join(dir, key)).catch(() => undefined);
    if (bytes === undefined || !isFilter(bytes)) return undefined;
    const filter = bytes.toString("base64");
    filters.set(key, filter);
    return filter;
  }

  return {
    async apply(spec) {
      const profile = spec.linux.seccomp;
      const filter = profile === undefined ? undefined : await find(keyOf(profile));
      if (filter === undefined) return spec;
      return { ...spec, annotations: { ...spec.annotations, [BPF_ANNOTATION]: filter } };
    },
    async learn(spec, stateDir) {
      const profile = spec.linux.seccomp;
      if (profile === undefined || filters.has(keyOf(profile))) return;
      try {
        const bytes = await readFile(join(stateDir, COMPILED_FILTER));
        if (!isFilter(bytes) || filters.size >= CACHE_LIMIT) return;
        const key = keyOf(profile);
        filters.set(key, bytes.toString("base64"));
        await mkdir(dir, { recursive: true, mode: 0o700 });
        if ((await readdir(dir)).length >= CACHE_LIMIT) return;
        const fresh = join(dir, `${key}.new`);
        await writeFile(fresh, bytes, { mode: 0o600 });
        await rename(fresh, join(dir, key));
      } catch {
        // Without a filter the next container is slower, no more.
      }
    },
  };
}

function isFilter(bytes: Uint8Array): boolean {
  return bytes.length > 0 && bytes.length <= FILTER_LIMIT && bytes.length % 8 === 0;
}
