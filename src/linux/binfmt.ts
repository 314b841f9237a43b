import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { mount, umount } from "./mount.ts";

/** A program that the kernel hands others to: an emulator, registered in binfmt_misc. */
export interface Interpreter {
  readonly name: string;
  /** Where it lies, on this host. */
  readonly path: string;
  /** It was opened when it was registered (flag F): what runs with another root finds it too. */
  readonly isOpened: boolean;
  /** Whether it takes a program that begins with these bytes. */
  takes(head: Uint8Array): boolean;
}

const PLACE = "/proc/sys/fs/binfmt_misc";
const NOT_ENTRIES: ReadonlySet<string> = new Set(["register", "status"]);

/**
 * The interpreters that are registered and enabled. binfmt_misc need not be mounted: then it is, for a moment, in a
 * directory made in `scratch`. Empty where it cannot be.
 */
export function readInterpreters(scratch: string): Interpreter[] {
  const here = entriesIn(PLACE);
  if (here !== undefined) return here;
  let place: string;
  try {
    place = mkdtempSync(join(scratch, "binfmt-"));
  } catch {
    return [];
  }
  try {
    mount("none", place, "binfmt_misc", 0);
    try {
      return entriesIn(place) ?? [];
    } finally {
      umount(place);
    }
  } catch {
    return [];
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Undefined: it is not mounted there. */
function entriesIn(place: string): Interpreter[] | undefined {
  try {
    if (!readFileSync(join(place, "status"), "utf8").startsWith("enabled")) return [];
    return readdirSync(place)
      .filter((name) => !NOT_ENTRIES.has(name))
      .flatMap((name) => parseInterpreter(name, readFileSync(join(place, name), "utf8")) ?? []);
  } catch {
    return undefined;
  }
}

/** An entry as the kernel shows it (Documentation/admin-guide/binfmt-misc.rst); undefined when it is off, or goes by names of files. */
export function parseInterpreter(name: string, text: string): Interpreter | undefined {
  const [state, ...lines] = text.split("\n");
  const fields = new Map(
    lines.map((line) => {
      const [, key = "", value = ""] = /^(\w+):? (.*)$/.exec(line) ?? [];
      return [key, value];
    }),
  );
  const magic = Buffer.from(fields.get("magic") ?? "", "hex");
  const mask = fields.get("mask");
  const offset = Number(fields.get("offset") ?? 0);
  if (state !== "enabled" || magic.length === 0) return undefined;
  const bits = mask === undefined ? Buffer.alloc(magic.length, 0xff) : Buffer.from(mask, "hex");
  return {
    name,
    path: fields.get("interpreter") ?? "",
    isOpened: (fields.get("flags") ?? "").includes("F"),
    takes: (head) =>
      head.length >= offset + magic.length &&
      magic.every((byte, n) => (((head[offset + n] ?? 0) ^ byte) & (bits[n] ?? 0xff)) === 0),
  };
}

/** How ELF programs for an architecture begin: class, byte order and machine. */
const MACHINES: Readonly<Record<string, readonly [bits: 32 | 64, order: "LE" | "BE", machine: number]>> = {
  amd64: [64, "LE", 62],
  "386": [32, "LE", 3],
  arm64: [64, "LE", 183],
  arm: [32, "LE", 40],
  riscv64: [64, "LE", 243],
  ppc64le: [64, "LE", 21],
  s390x: [64, "BE", 22],
  loong64: [64, "LE", 258],
  mips64le: [64, "LE", 8],
};
const HEAD_BYTES = 64;

/** Architectures by the names of OCI, and the head of a program for each. */
export function programHeads(): ReadonlyMap<string, Buffer> {
  return new Map(
    Object.entries(MACHINES).map(([name, [bits, order, machine]]) => {
      const head = Buffer.alloc(HEAD_BYTES);
      head.write("\x7fELF", "latin1");
      head.set([bits / 32, order === "LE" ? 1 : 2, 1], 4);
      for (const [value, at] of [
        [2, 16],
        [machine, 18],
      ] as const)
        if (order === "LE") head.writeUInt16LE(value, at);
        else head.writeUInt16BE(value, at);
      return [name, head];
    }),
  );
}

/** Whether the processor and the kernel run an ELF program themselves; undefined for what is no such program. */
export function runsNatively(head: Uint8Array): boolean | undefined {
  const wanted = machineOf(head);
  if (wanted === undefined) return undefined;
  const own = machineOf(headOf("/proc/self/exe"));
  if (own === wanted) return true;
  const heads = programHeads();
  const is = (machine: string | undefined, name: string) => machine === machineOf(heads.get(name) ?? head);
  // There only with the kernel's part for 32-bit programs.
  if (is(own, "amd64") && is(wanted, "386")) return existsSync("/proc/sys/abi/vsyscall32");
  if (is(own, "arm64") && is(wanted, "arm")) return existsSync("/proc/sys/abi/cp15_barrier");
  return false;
}

function headOf(path: string): Buffer {
  const file = openSync(path, "r");
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return head.subarray(0, readSync(file, head, 0, HEAD_BYTES, 0));
  } finally {
    closeSync(file);
  }
}

function machineOf(head: Uint8Array): string | undefined {
  const bytes = Buffer.from(head);
  if (bytes.length < 20 || bytes.toString("latin1", 0, 4) !== "\x7fELF") return undefined;
  return `${bytes[4]} ${bytes[5]} ${bytes.toString("hex", 18, 20)}`;
}
