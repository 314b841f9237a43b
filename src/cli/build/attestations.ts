import { parseBoolean } from "../../boolean.ts";
import { csvFields } from "../../dockerfile/index.ts";
import { UsageError } from "../failure.ts";
import type { BuildFlags } from "./flags.ts";

/** What `--provenance`, `--sbom` and `--attest` ask for; undefined: nothing. Throws UsageError for what there is not. */
export function readProvenance(
  flags: Pick<BuildFlags, "provenance" | "sbom" | "attest">,
): "min" | "max" | undefined {
  const given = flags.attest.map((text) => new Map(fieldsOf(text)));
  for (const [type, value] of [
    ["provenance", flags.provenance],
    ["sbom", flags.sbom],
  ] as const)
    if (value !== undefined) given.push(new Map([["type", type], ...shorthand(value)]));
  let mode: "min" | "max" | undefined;
  for (const attestation of given) {
    const type = attestation.get("type") ?? "";
    const isOff = isOffIn(attestation);
    if (isOff && type === "provenance") mode = undefined;
    if (isOff) continue;
    if (type !== "provenance")
      throw new UsageError(
        `unsupported attestation type ${JSON.stringify(type)}: there is only provenance (--sbom=false)`,
      );
    const wanted = attestation.get("mode") ?? "min";
    if (wanted !== "min" && wanted !== "max")
      throw new UsageError(`invalid provenance mode ${JSON.stringify(wanted)}`);
    mode = wanted;
  }
  return mode;
}

function isOffIn(attestation: ReadonlyMap<string, string>): boolean {
  const text = attestation.get("disabled") ?? "false";
  const isOff = parseBoolean(text);
  if (isOff === undefined) throw new UsageError(`invalid attestation: disabled=${text} is not true or false`);
  return isOff;
}

/** `true`, `false`, or fields. */
function shorthand(value: string): [string, string][] {
  const isOn = parseBoolean(value);
  if (isOn === undefined) return fieldsOf(value);
  return isOn ? [] : [["disabled", "true"]];
}

function fieldsOf(text: string): [string, string][] {
  return csvFields(text).map((field) => {
    const equals = field.indexOf("=");
    if (equals < 0)
      throw new UsageError(`invalid attestation ${JSON.stringify(text)}: ${field} is no key=value`);
    return [field.slice(0, equals), field.slice(equals + 1)];
  });
}
