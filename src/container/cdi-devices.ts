import { type CdiEdits, type CdiMount, readCdiDevices } from "../cdi/index.ts";
import {
  type DeviceRule,
  findDevices,
  type OciDevice,
  type OciHook,
  type OciMount,
} from "../runtime/index.ts";

/** What CDI devices add to a container. */
export interface CdiAdditions {
  readonly env: readonly string[];
  readonly devices: readonly OciDevice[];
  readonly rules: readonly DeviceRule[];
  readonly mounts: readonly OciMount[];
  readonly hooks: Readonly<Record<string, readonly OciHook[]>>;
  readonly additionalGids: readonly number[];
}

/** Looks devices up as they are described now. Throws "invalid" in Docker's words for names that there are none of. */
export async function cdiAdditions(names: readonly string[]): Promise<CdiAdditions> {
  if (names.length === 0)
    return { env: [], devices: [], rules: [], mounts: [], hooks: {}, additionalGids: [] };
  const edits = (await readCdiDevices()).editsOf(names);
  const devices: OciDevice[] = [];
  const rules: DeviceRule[] = [];
  for (const { path, hostPath = path, permissions, fileMode, uid, gid } of edits.deviceNodes)
    for (const device of await findDevices(hostPath, path)) {
      devices.push({
        ...device,
        ...(fileMode === undefined ? {} : { fileMode }),
        ...(uid === undefined ? {} : { uid }),
        ...(gid === undefined ? {} : { gid }),
      });
      const { type, major, minor } = device;
      rules.push({ allow: true, type, major, minor, access: permissions });
    }
  const { env, additionalGids } = edits;
  return { env, devices, rules, mounts: edits.mounts.map(mountOf), hooks: hooksOf(edits), additionalGids };
}

function mountOf({ hostPath, containerPath, type, options }: CdiMount): OciMount {
  const isBind = type === "bind" || type === "";
  const saysBind = options.some((option) => option === "bind" || option === "rbind");
  return {
    destination: containerPath,
    type: isBind ? "bind" : type,
    source: hostPath,
    options: isBind && !saysBind ? ["rbind", ...options] : options,
  };
}

function hooksOf({ hooks }: CdiEdits): Record<string, OciHook[]> {
  const byName: Record<string, OciHook[]> = {};
  for (const { hookName, ...hook } of hooks) byName[hookName] = [...(byName[hookName] ?? []), hook];
  return byName;
}
