import { parseMemorySize as memorySizeOf } from "../../byte-size.ts";
import { UsageError } from "../failure.ts";

/** Reads sizes of memory as Docker does: `64m`, `1.5g`, `512`: bytes. Throws UsageError. */
export function parseMemorySize(given: string): number {
  const bytes = memorySizeOf(given);
  if (bytes === undefined) throw new UsageError(`invalid size: '${given}'`);
  return bytes;
}
