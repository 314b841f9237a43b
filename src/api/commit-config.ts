import { PlyError } from "../error.ts";
import { isObject } from "../oci/index.ts";

/**
 * The `Config` that a commit may bring in its body, as the Dockerfile instructions that say the same. Only what is
 * filled changes anything. Throws "invalid" for a field of the wrong type.
 */
export function instructionsOf(config: Readonly<Record<string, unknown>>): string[] {
  const lines: string[] = [];
  for (const [field, name] of [
    ["Entrypoint", "ENTRYPOINT"],
    ["Cmd", "CMD"],
  ] as const) {
    const value = config[field];
    const words = typeof value === "string" ? [value] : strings(field, value);
    if (words.length > 0) lines.push(`${name} ${JSON.stringify(words)}`);
  }
  for (const pair of strings("Env", config["Env"])) {
    const equals = pair.indexOf("=");
    if (equals > 0) lines.push(`ENV ${pair.slice(0, equals)}=${quoted(pair.slice(equals + 1))}`);
  }
  for (const [key, value] of Object.entries(map("Labels", config["Labels"])))
    lines.push(`LABEL ${quoted(key)}=${quoted(String(value))}`);
  for (const port of Object.keys(map("ExposedPorts", config["ExposedPorts"]))) lines.push(`EXPOSE ${port}`);
  const volumes = Object.keys(map("Volumes", config["Volumes"]));
  if (volumes.length > 0) lines.push(`VOLUME ${JSON.stringify(volumes)}`);
  for (const [field, name] of [
    ["User", "USER"],
    ["WorkingDir", "WORKDIR"],
    ["StopSignal", "STOPSIGNAL"],
  ] as const) {
    const value = config[field];
    if (typeof value === "string" && value !== "") lines.push(`${name} ${quoted(value)}`);
  }
  return lines;
}

/** In single quotes nothing is expanded; a quote itself goes in double ones. */
function quoted(text: string): string {
  if (/[\r\n]/.test(text)) throw new PlyError("invalid", "invalid config: a value has a line break");
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}

function strings(field: string, value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) return value;
  throw new PlyError("invalid", `invalid JSON: ${field} is not a list of strings`);
}

function map(field: string, value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (isObject(value)) return value;
  throw new PlyError("invalid", `invalid JSON: ${field} is not an object`);
}
