import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { PlyError } from "../error.ts";

/** Labels of a container's process and of the files it sees. */
export interface SelinuxLabels {
  readonly process: string;
  readonly mount: string;
}

/** Where policies say which labels containers have (container_contexts(5)). */
const CONTEXTS = [
  "/etc/selinux/targeted/contexts/lxc_contexts",
  "/usr/share/containers/selinux/contexts",
] as const;
const PROCESS = "system_u:system_r:container_t:s0";
const FILE = "system_u:object_r:container_file_t:s0";
/** Categories of the usual policies: c0 to c1023. */
const CATEGORIES = 1024;

/** Whether this host enforces labels, or would. */
export function hasSelinux(): boolean {
  try {
    readFileSync("/sys/fs/selinux/enforce");
    return true;
  } catch {
    return false;
  }
}

/** The policy's text on containers; "" where it says nothing. */
export function selinuxContexts(places: readonly string[] = CONTEXTS): string {
  for (const place of places)
    try {
      return readFileSync(place, "utf8");
    } catch {
      // The next one.
    }
  return "";
}

/**
 * The labels of a container: the policy's, `label=` options over them (`user:`, `role:`, `type:`, `level:`, `disable`), and two
 * categories of its own, made from its id, that keep containers apart. Undefined: no labels. Throws "invalid" in Docker's words.
 */
export function selinuxLabels(
  options: readonly string[],
  { id, contexts }: { readonly id: string; readonly contexts: string },
): SelinuxLabels | undefined {
  const over: Record<string, string> = {};
  for (const option of options) {
    if (option === "disable") return undefined;
    const [, key = "", value = ""] = /^(user|role|type|level|filetype):(.+)$/.exec(option) ?? [];
    if (key === "")
      throw new PlyError(
        "invalid",
        `Bad label option "${option}", valid options 'disable' or \n'user, role, level, type, filetype' followed by ':' and a value`,
      );
    over[key] = value;
  }
  const process = partsOf(contextOf(contexts, "process") ?? PROCESS);
  const file = partsOf(contextOf(contexts, "file") ?? FILE);
  const level = over["level"] ?? `${process.level}:${categoriesOf(id)}`;
  return {
    process: [
      over["user"] ?? process.user,
      over["role"] ?? process.role,
      over["type"] ?? process.type,
      level,
    ].join(":"),
    mount: [over["user"] ?? file.user, file.role, over["filetype"] ?? file.type, level].join(":"),
  };
}

function contextOf(text: string, name: string): string | undefined {
  return new RegExp(`^\\s*${name}\\s*=\\s*"([^"]+)"`, "m").exec(text)?.[1];
}

function partsOf(label: string): Record<"user" | "role" | "type" | "level", string> {
  const [user = "", role = "", type = "", level = "s0"] = label.split(":");
  return { user, role, type, level };
}

function categoriesOf(id: string): string {
  const hash = createHash("sha256").update(id).digest();
  const one = hash.readUInt16BE(0) % CATEGORIES;
  const other = hash.readUInt16BE(2) % (CATEGORIES - 1);
  const two = other >= one ? other + 1 : other;
  return `c${Math.min(one, two)},c${Math.max(one, two)}`;
}
