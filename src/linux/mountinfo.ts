import { readFileSync } from "node:fs";

/** One line of /proc/self/mountinfo (proc_pid_mountinfo(5)); octal escapes are decoded. */
export interface MountEntry {
  readonly id: number;
  readonly parentId: number;
  /** `major:minor` of files on it. */
  readonly device: string;
  /** Path within the filesystem that is at `target`. */
  readonly root: string;
  readonly target: string;
  readonly options: readonly string[];
  /** `shared:1`, `master:2`, … */
  readonly propagation: readonly string[];
  readonly fstype: string;
  readonly source: string;
  readonly superOptions: readonly string[];
}

/** The mounts this process sees, in mount order; or those of a given text. Lines that make no sense are skipped. */
export function parseMountinfo(text: string = readFileSync("/proc/self/mountinfo", "utf8")): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split("\n")) {
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    const [id, parentId, device, root, target, options] = fields;
    if (dash < 0 || !id || !parentId || !device || root === undefined || target === undefined) continue;
    entries.push({
      id: Number(id),
      parentId: Number(parentId),
      device,
      root: decodeOctal(root),
      target: decodeOctal(target),
      options: (options ?? "").split(","),
      propagation: fields.slice(6, dash),
      fstype: fields[dash + 1] ?? "",
      source: decodeOctal(fields[dash + 2] ?? ""),
      superOptions: decodeOctal(fields[dash + 3] ?? "").split(","),
    });
  }
  return entries;
}

function decodeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
