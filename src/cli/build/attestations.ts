import { csvFields } from "../../dockerfile/index.ts";
import { UsageError } from "../failure.ts";
import type { BuildFlags } from "./flags.ts";

const YES = /^(?:1|t|true)$/i;
const NO = /^(?:0|f|false)$/i;

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
    const isOff = YES.test(attestation.get("disabled") ?? "false");
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

/** `true`, `false`, or fields. */
function shorthand(value: string): [string, string][] {
  if (YES.test(value)) return [];
  return NO.test(value) ? [["disabled", "true"]] : fieldsOf(value);
}

function fieldsOf(text: string): [string, string][] {
  return csvFields(text).map((field) => {
    const equals = field.indexOf("=");
    if (equals < 0)
      throw new UsageError(`invalid attestation ${JSON.stringify(text)}: ${field} is no key=value`);
    return [field.slice(0, equals), field.slice(equals + 1)];
  });
}
