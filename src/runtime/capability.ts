import { readFileSync } from "node:fs";
import { PlyError } from "../error.ts";

/** In the kernel's order: the index is the bit (capability.h). */
const CAPABILITIES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
] as const;

/** What Docker gives a container that asks for nothing. */
const DEFAULT_CAPABILITIES: readonly string[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "MKNOD",
  "NET_RAW",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
];

/** The capabilities this process may hand on, without `CAP_`, from /proc/self/status or a given text. */
export function ownCapabilities(
  text: string = readFileSync("/proc/self/status", "utf8"),
): ReadonlySet<string> {
  const bits = BigInt(`0x${/^CapBnd:\s*([0-9a-f]+)$/m.exec(text)?.[1] ?? "0"}`);
  return new Set(CAPABILITIES.filter((_, bit) => (bits >> BigInt(bit)) & 1n));
}

/**
 * Docker's rules for `--cap-add`, `--cap-drop` and `--privileged`, in the form of the OCI spec. What the host
 * cannot give is left out, with a warning when it was asked for by name. Throws "invalid" for unknown names.
 */
export function resolveCapabilities(options: {
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly privileged: boolean;
  readonly available: ReadonlySet<string>;
}): { capabilities: string[]; warnings: string[] } {
  const add = options.add.map(normalize);
  const drop = options.drop.map(normalize);
  const warnings: string[] = [];
  const wanted = new Set<string>();
  if (options.privileged || add.includes("ALL")) for (const name of CAPABILITIES) wanted.add(name);
  else if (!drop.includes("ALL")) for (const name of DEFAULT_CAPABILITIES) wanted.add(name);
  if (!options.privileged) {
    for (const name of drop) wanted.delete(name);
    for (const name of add) if (name !== "ALL") wanted.add(name);
  }
  const named = new Set(add);
  const capabilities: string[] = [];
  for (const name of CAPABILITIES) {
    if (!wanted.has(name)) continue;
    if (options.available.has(name)) capabilities.push(`CAP_${name}`);
    else if (named.has(name))
      warnings.push(`this host cannot give CAP_${name}: the container runs without it`);
  }
  return { capabilities, warnings };
}

function normalize(given: string): string {
  const name = given.toUpperCase().replace(/^CAP_/, "");
  if (name !== "ALL" && !(CAPABILITIES as readonly string[]).includes(name))
    throw new PlyError("invalid", `invalid capability: ${JSON.stringify(given)}`);
  return name;
}
