import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, PlyError } from "../error.ts";
import { type CdiEdits, type CdiSpec, parseCdiSpec } from "./spec.ts";

/** Later ones go before: what is made at run time before what an administrator wrote. */
const DIRECTORIES = ["/etc/cdi", "/var/run/cdi"];
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** A device that a specification of this host describes. */
export interface CdiDevice {
  /** `vendor.com/class=name`. */
  readonly name: string;
  readonly kind: string;
  /** The device's own over those of its kind. */
  readonly annotations: Readonly<Record<string, string>>;
}

export interface CdiDevices {
  /** By name. */
  readonly devices: readonly CdiDevice[];
  /** What all of these change of a container. Throws "invalid" in Docker's words for names that there are none of. */
  editsOf(names: readonly string[]): CdiEdits;
}

interface Known extends CdiDevice {
  readonly spec: CdiSpec;
  readonly edits: CdiEdits;
}

/** Whether a word names a device as CDI does, not a path: `vendor.com/class=name`. */
export function isCdiName(word: string): boolean {
  return /^[A-Za-z][A-Za-z0-9_.-]*\/[A-Za-z][A-Za-z0-9_.-]*=[^=]+$/.test(word);
}

/** The devices that specification files (JSON, YAML) of this host describe now. A file that makes no sense hides its own devices only. */
export async function readCdiDevices(directories: readonly string[] = DIRECTORIES): Promise<CdiDevices> {
  const found = new Map<string, Known>();
  const problems: string[] = [];
  for (const directory of directories) {
    // Two files of one directory that describe the same device differently: neither counts.
    const here = new Map<string, Known>();
    const disputed = new Set<string>();
    for (const path of await specFiles(directory))
      try {
        for (const device of devicesOf(await readSpec(path))) {
          if (here.has(device.name)) disputed.add(device.name);
          here.set(device.name, device);
        }
      } catch (error) {
        problems.push(`${path}: ${messageOf(error)}`);
      }
    for (const [name, device] of here) found.set(name, device);
    for (const name of disputed) {
      found.delete(name);
      problems.push(`${directory}: several files describe ${name}`);
    }
  }
  const devices = [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    devices: devices.map(({ name, kind, annotations }) => ({ name, kind, annotations })),
    editsOf(names) {
      const missing = names.filter((name) => !found.has(name));
      if (missing.length > 0) throw unresolvable(missing, devices, problems, directories);
      const wanted = names.flatMap((name) => found.get(name) ?? []);
      return joined([...new Set(wanted.map(({ spec }) => spec.edits)), ...wanted.map(({ edits }) => edits)]);
    },
  };
}

function unresolvable(
  missing: readonly string[],
  devices: readonly CdiDevice[],
  problems: readonly string[],
  directories: readonly string[],
): PlyError {
  const known = devices.map(({ name }) => name).join(", ");
  const hint =
    problems.length > 0
      ? problems.join("; ")
      : known === ""
        ? `no file in ${directories.join(" or ")} describes any`
        : `there are ${known}`;
  return new PlyError(
    "invalid",
    `CDI device injection failed: unresolvable CDI devices ${missing.join(", ")}`,
    { hint },
  );
}

function devicesOf(spec: CdiSpec): Known[] {
  return spec.devices.map(({ name, annotations, edits }) => ({
    name: `${spec.kind}=${name}`,
    kind: spec.kind,
    annotations: { ...spec.annotations, ...annotations },
    spec,
    edits,
  }));
}

function joined(all: readonly CdiEdits[]): CdiEdits {
  return {
    env: all.flatMap(({ env }) => env),
    deviceNodes: all.flatMap(({ deviceNodes }) => deviceNodes),
    mounts: all.flatMap(({ mounts }) => mounts),
    hooks: all.flatMap(({ hooks }) => hooks),
    additionalGids: all.flatMap(({ additionalGids }) => additionalGids),
  };
}

async function specFiles(directory: string): Promise<string[]> {
  const names = await readdir(directory).catch((): string[] => []);
  return names
    .filter((name) => /\.(?:json|ya?ml)$/.test(name))
    .sort()
    .map((name) => join(directory, name));
}

async function readSpec(path: string): Promise<CdiSpec> {
  const { size } = await stat(path);
  if (size > MAX_FILE_BYTES) throw new PlyError("limit", `it has ${size} bytes`);
  const text = await readFile(path, "utf8");
  // Loaded for those who need it.
  if (!path.endsWith(".json")) return parseCdiSpec((await import("yaml")).parse(text));
  return parseCdiSpec(JSON.parse(text));
}
