import { parseLogSize } from "../byte-size.ts";
import { PlyError } from "../error.ts";

/** Which log a container keeps. Absent in a container of an older engine: the default. */
export interface LoggingOptions {
  /** `json-file`, `local` (both ours inside), `none`; empty: the default. */
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
}

const DEFAULT_LOG_DRIVER = "json-file";
/** Rotation is on unless `max-size=-1` says otherwise. */
const DEFAULT_OPTIONS = { "max-size": "10m", "max-file": "5" } as const;

const COMMON_OPTIONS = ["mode", "max-buffer-size"];
const KNOWN_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  "json-file": [
    "max-size",
    "max-file",
    "compress",
    "labels",
    "labels-regex",
    "env",
    "env-regex",
    "tag",
    ...COMMON_OPTIONS,
  ],
  local: ["max-size", "max-file", "compress", ...COMMON_OPTIONS],
};

/** Checks what was asked for and fills in what was left out. Throws "invalid" in Docker's words. */
export function resolveLogging(given: LoggingOptions | undefined): LoggingOptions {
  const driver = given?.driver || DEFAULT_LOG_DRIVER;
  const options = given?.options ?? {};
  if (driver === "none") return { driver, options: {} };
  const known = KNOWN_OPTIONS[driver];
  if (known === undefined)
    throw new PlyError("invalid", `logger: no log driver named '${driver}' is registered`, {
      hint: "json-file, local and none are there",
    });
  for (const name of Object.keys(options))
    if (!known.includes(name))
      throw new PlyError("invalid", `unknown log opt '${name}' for ${driver} log driver`);
  const mode = options["mode"] ?? "";
  if (mode !== "" && mode !== "blocking" && mode !== "non-blocking")
    throw new PlyError("invalid", `logger: logging mode not supported: ${mode}`);
  if (options["max-buffer-size"] !== undefined && mode !== "non-blocking")
    throw new PlyError(
      "invalid",
      "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
    );
  const compress = options["compress"];
  if (compress !== undefined && !/^(?:1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/.test(compress))
    throw new PlyError("invalid", `invalid value for compress: ${JSON.stringify(compress)}`);
  for (const name of ["labels-regex", "env-regex"]) patternOf(options[name]);
  const resolved = { driver, options: { ...DEFAULT_OPTIONS, ...options } };
  rotationOf(resolved);
  return resolved;
}

export interface Rotation {
  /** A file this large is rotated away; Infinity: none ever. */
  readonly maxBytes: number;
  /** How many files are kept, the one being written among them. */
  readonly maxFiles: number;
}

/** Throws "invalid". */
export function rotationOf(logging: LoggingOptions): Rotation {
  const size = logging.options["max-size"] ?? DEFAULT_OPTIONS["max-size"];
  const files = logging.options["max-file"] ?? DEFAULT_OPTIONS["max-file"];
  const bytes = size === "-1" ? Number.POSITIVE_INFINITY : parseLogSize(size);
  if (bytes === undefined) throw new PlyError("invalid", `invalid size: '${size}'`);
  if (bytes <= 0) throw new PlyError("invalid", "max-size must be a positive number");
  if (!/^\d{1,6}$/.test(files))
    throw new PlyError(
      "invalid",
      `invalid value for max-file: ${JSON.stringify(files)} is not a whole number`,
    );
  if (Number(files) < 1) throw new PlyError("invalid", "max-file cannot be less than 1");
  return { maxBytes: bytes, maxFiles: Number(files) };
}

/** What `--details` puts before each line: the labels and variables that `labels` and `env` name. */
export function logDetails(
  logging: LoggingOptions,
  container: { readonly labels: Readonly<Record<string, string>>; readonly env: readonly string[] },
): string {
  const { options } = logging;
  const found = new Map<string, string>();
  const pick = (
    names: string | undefined,
    pattern: string | undefined,
    values: ReadonlyMap<string, string>,
  ) => {
    const wanted = new Set((names ?? "").split(",").map((name) => name.trim()));
    const matcher = patternOf(pattern);
    for (const [name, value] of values) if (wanted.has(name) || matcher?.test(name)) found.set(name, value);
  };
  pick(options["labels"], options["labels-regex"], new Map(Object.entries(container.labels)));
  const env = container.env.map((word) => {
    const equals = word.indexOf("=");
    return [word.slice(0, equals), word.slice(equals + 1)] as const;
  });
  pick(options["env"], options["env-regex"], new Map(env));
  if (options["tag"]) found.set("tag", options["tag"]);
  const words = [...found].sort(([a], [b]) => (a < b ? -1 : 1));
  return `${words.map((pair) => pair.map(encodeURIComponent).join("=")).join(",")} `;
}

function patternOf(pattern: string | undefined): RegExp | undefined {
  if (pattern === undefined || pattern === "") return undefined;
  try {
    return new RegExp(pattern);
  } catch (cause) {
    throw new PlyError("invalid", `invalid pattern: ${JSON.stringify(pattern)}`, { cause });
  }
}
