import { posix } from "node:path";
import { parseBoolean } from "../boolean.ts";
import { parseMemorySize } from "../byte-size.ts";
import { didYouMean } from "../suggest.ts";
import { bad } from "./source.ts";

/** One `RUN --mount`, variables expanded. Modes are numbers; `target` is relative to the working directory or absolute. */
export type RunMount =
  | {
      readonly type: "bind";
      readonly target: string;
      readonly from: string | undefined;
      readonly source: string;
      readonly readOnly: boolean;
    }
  | {
      readonly type: "cache";
      readonly target: string;
      readonly id: string;
      readonly from: string | undefined;
      readonly source: string;
      readonly readOnly: boolean;
      readonly sharing: "shared" | "private" | "locked";
      readonly mode: number | undefined;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly type: "tmpfs"; readonly target: string; readonly sizeBytes: number | undefined }
  | {
      readonly type: "secret";
      readonly id: string;
      /** Undefined: none, it comes by `env` alone. */
      readonly target: string | undefined;
      readonly env: string | undefined;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | {
      readonly type: "ssh";
      readonly id: string;
      readonly target: string | undefined;
      readonly required: boolean;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    };

const KEYS = {
  bind: ["target", "from", "source", "readonly"],
  cache: ["target", "id", "from", "source", "readonly", "sharing", "mode", "uid", "gid"],
  tmpfs: ["target", "size"],
  secret: ["target", "id", "required", "mode", "uid", "gid", "env"],
  ssh: ["target", "id", "required", "mode", "uid", "gid"],
} as const;
const ALIASES: Readonly<Record<string, string>> = {
  dst: "target",
  destination: "target",
  src: "source",
  ro: "readonly",
  rw: "readwrite",
};

/** Parses the value of `--mount`; `expand` puts variables into each of its values. Throws "invalid". */
export function parseRunMount(text: string, expand: (value: string) => string): RunMount {
  const given = new Map<string, string>();
  for (const field of csvFields(text)) {
    const equals = field.indexOf("=");
    const written = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const key = Object.hasOwn(ALIASES, written) ? (ALIASES[written] ?? "") : written;
    if (equals < 0 && !["readonly", "readwrite", "required"].includes(key))
      throw bad(`invalid field '${field}' must be a key=value pair`);
    const value = equals < 0 ? "true" : field.slice(equals + 1);
    if (key === "from" && value.includes("$"))
      throw bad("'from' doesn't support variable expansion, define alias stage instead");
    given.set(key, expand(value));
  }
  const type = given.get("type") ?? "bind";
  if (!isType(type))
    throw bad(`unsupported mount type ${JSON.stringify(type)}${didYouMean(type, Object.keys(KEYS))}`);
  given.delete("type");
  checkKeys(type, given);
  return mountOf(type, readerOf(given));
}

function isType(type: string): type is keyof typeof KEYS {
  return Object.hasOwn(KEYS, type);
}

function checkKeys(type: keyof typeof KEYS, given: ReadonlyMap<string, string>): void {
  const known: readonly string[] = KEYS[type];
  for (const key of given.keys()) {
    if (known.includes(key) || (key === "readwrite" && known.includes("readonly"))) continue;
    const anywhere = Object.values(KEYS).some((keys: readonly string[]) => keys.includes(key));
    throw bad(
      anywhere || key === "readwrite"
        ? `unexpected key '${key}' for mount type '${type}'`
        : `unexpected key '${key}' in mount`,
    );
  }
}

interface Reader {
  text(key: string): string | undefined;
  truth(key: string): boolean | undefined;
  whole(key: string, base?: number): number | undefined;
}

function readerOf(given: ReadonlyMap<string, string>): Reader {
  const text = (key: string): string | undefined => given.get(key);
  return {
    text,
    truth(key) {
      const value = text(key);
      if (value === undefined) return undefined;
      const read = parseBoolean(value);
      if (read === undefined) throw bad(`invalid value for ${key}: ${value}`);
      return read;
    },
    whole(key, base = 10) {
      const value = text(key);
      if (value === undefined) return undefined;
      if (!(base === 8 ? /^[0-7]+$/ : /^\d+$/).test(value)) throw bad(`invalid value ${value} for ${key}`);
      return Number.parseInt(value, base);
    },
  };
}

function mountOf(type: keyof typeof KEYS, read: Reader): RunMount {
  const target = read.text("target");
  const owner = { uid: read.whole("uid") ?? 0, gid: read.whole("gid") ?? 0 };
  if (type === "secret" || type === "ssh") {
    const required = read.truth("required") ?? false;
    if (type === "ssh")
      return {
        type,
        id: read.text("id") ?? "default",
        target,
        required,
        mode: read.whole("mode", 8) ?? 0o600,
        ...owner,
      };
    const env = read.text("env");
    const id = read.text("id") ?? target?.split("/").at(-1) ?? env;
    if (id === undefined || id === "") throw bad("secret mount: one of target, id and env is required");
    return {
      type,
      id,
      target: target ?? (env === undefined ? `/run/secrets/${id}` : undefined),
      env,
      required,
      mode: read.whole("mode", 8) ?? 0o400,
      ...owner,
    };
  }
  if (target === undefined || target === "") throw bad(`target is required for mount type '${type}'`);
  if (type === "tmpfs") return { type, target, sizeBytes: sizeOf(read.text("size")) };
  const readWrite = read.truth("readwrite");
  const readOnly = read.truth("readonly") ?? (readWrite === undefined ? type === "bind" : !readWrite);
  const source = read.text("source") ?? "/";
  const from = read.text("from");
  if (type === "bind") return { type, target, from, source, readOnly };
  const sharing = read.text("sharing") ?? "shared";
  if (sharing !== "shared" && sharing !== "private" && sharing !== "locked")
    throw bad(`unsupported sharing value ${JSON.stringify(sharing)}`);
  return {
    type,
    target,
    id: read.text("id") || posix.normalize(target).replace(/(?<=.)\/$/, ""),
    from,
    source,
    readOnly,
    sharing,
    mode: read.whole("mode", 8),
    ...owner,
  };
}

function sizeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseMemorySize(text);
  if (bytes === undefined) throw bad(`invalid value for size: ${text}`);
  return bytes;
}

/** Fields at commas; a field in double quotes may hold some, and `""` for a quote. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  let field = "";
  let inQuotes = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    if (char === '"') {
      if (inQuotes && text.charAt(at + 1) === '"') field += text.charAt(at++);
      else inQuotes = !inQuotes;
    } else if (char === "," && !inQuotes) {
      fields.push(field);
      field = "";
    } else field += char;
  }
  fields.push(field);
  return fields.map((each) => each.trim());
}
