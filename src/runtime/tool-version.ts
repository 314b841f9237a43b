import { readFile, rename, stat, writeFile } from "node:fs/promises";
import { runTool } from "./tool.ts";

/** Versions of the programs used; one that was asked before and is the same file is not run again. */
export interface ToolVersions {
  /** `conmon version 2.1.6`, `crun version 1.8.1`, `runc version 1.1.5`: the last word of the first line. */
  of(program: string): Promise<string>;
}

interface Known {
  /** Changes whenever the file does. */
  readonly file: string;
  readonly version: string;
}

/** Answers are kept in the file at `path`, for the next start: each saves a process, 10 ms of an engine's 50. */
export function openToolVersions(path: string): ToolVersions {
  let loading: Promise<Map<string, Known>> | undefined;
  let saving: Promise<void> = Promise.resolve();

  const save = async (known: ReadonlyMap<string, Known>): Promise<void> => {
    try {
      const fresh = `${path}.new`;
      await writeFile(fresh, JSON.stringify([...known]), { mode: 0o600 });
      await rename(fresh, path);
    } catch {
      // The next start asks again.
    }
  };

  return {
    async of(program) {
      loading ??= load(path);
      const [known, file] = await Promise.all([loading, identify(program)]);
      const before = known.get(program);
      if (before !== undefined && before.file === file) return before.version;
      const { exitCode, output } = await runTool(program, ["--version"]);
      const version = output.split("\n")[0]?.trim().split(" ").at(-1) ?? "";
      if (exitCode === 0 && file !== "") {
        known.set(program, { file, version });
        saving = saving.then(() => save(known));
        await saving;
      }
      return version;
    },
  };
}

async function load(path: string): Promise<Map<string, Known>> {
  try {
    const list: unknown = JSON.parse(await readFile(path, "utf8"));
    return new Map(Array.isArray(list) ? list.filter(isEntry) : []);
  } catch {
    return new Map();
  }
}

function isEntry(value: unknown): value is [string, Known] {
  if (!Array.isArray(value)) return false;
  const [program, known] = value as readonly unknown[];
  if (typeof program !== "string" || typeof known !== "object" || known === null) return false;
  const { file, version } = known as Readonly<Record<string, unknown>>;
  return typeof file === "string" && typeof version === "string";
}

async function identify(program: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(program, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  } catch {
    return "";
  }
}
