import { parseBoolean } from "../../boolean.ts";
import { csvFields } from "../../dockerfile/index.ts";
import { UsageError } from "../failure.ts";

/** `--output` as written: its type, and what else stands there. */
export interface OutputSpec {
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
}

const IMAGE_ATTRIBUTES = [
  "name",
  "compression",
  "compression-level",
  "force-compression",
  "oci-mediatypes",
  "rewrite-timestamp",
];
const LISTED_ATTRIBUTES = ["push", "push-by-digest", "store", "unpack", "name-canonical"];
const FILE_ATTRIBUTES = ["dest", "platform-split"];
/** What each type knows; `annotation…` besides. */
const ATTRIBUTES: Readonly<Record<string, readonly string[]>> = {
  image: [...IMAGE_ATTRIBUTES, ...LISTED_ATTRIBUTES],
  registry: [...IMAGE_ATTRIBUTES, ...LISTED_ATTRIBUTES],
  docker: [...IMAGE_ATTRIBUTES, "dest", "tar"],
  oci: [...IMAGE_ATTRIBUTES, "dest", "tar"],
  local: FILE_ATTRIBUTES,
  tar: FILE_ATTRIBUTES,
  cacheonly: [],
};

/** Reads `DIR`, `-` and `type=…,key=value` (a CSV line). Throws UsageError in buildx's words. */
export function parseOutputSpec(text: string): OutputSpec {
  const fields = csvFields(text);
  const [only = ""] = fields;
  if (fields.length === 1 && only === text && !text.startsWith("type=")) {
    if (text === "") throw bad(text, "dest is required for local exporter");
    const [name = "", value] = text.split("=", 2);
    // `dest=out` alone: buildx makes a directory of that name, which nobody means.
    if (value !== undefined && Object.values(ATTRIBUTES).flat().includes(name))
      throw bad(text, "type is required for output");
    return { type: text === "-" ? "tar" : "local", attributes: new Map([["dest", text]]) };
  }
  const attributes = new Map<string, string>();
  for (const field of fields) {
    const equals = field.indexOf("=");
    if (equals < 0) throw bad(text, `invalid value ${field}`);
    attributes.set(field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1));
  }
  const type = attributes.get("type") ?? "";
  if (type === "") throw bad(text, "type is required for output");
  attributes.delete("type");
  const known = ATTRIBUTES[type];
  if (known === undefined)
    throw bad(
      text,
      `exporter "${type}" could not be found (there are ${Object.keys(ATTRIBUTES).join(", ")})`,
    );
  for (const name of attributes.keys())
    if (!known.includes(name) && !(known.includes("name") && name.startsWith("annotation")))
      throw bad(text, `unknown attribute ${name} for type=${type}`);
  return { type, attributes };
}

/** Throws UsageError for what is no truth value. */
export function flagOf({ attributes }: OutputSpec, name: string, fallback: boolean): boolean {
  const text = attributes.get(name);
  if (text === undefined) return fallback;
  const value = parseBoolean(text);
  if (value === undefined)
    throw new UsageError(`--output: non-bool value ${JSON.stringify(text)} for ${name}`);
  return value;
}

function bad(text: string, why: string): UsageError {
  return new UsageError(`invalid argument ${JSON.stringify(text)} for "-o, --output" flag: ${why}`);
}
