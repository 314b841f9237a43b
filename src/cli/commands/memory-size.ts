import { parseMemorySize } from "../../byte-size.ts";
import { UsageError } from "../failure.ts";

/** A flag's size of memory in bytes; undefined for a flag that was not given. Throws UsageError in Docker's words. */
export function memoryBytes(flag: string, text: string): number;
export function memoryBytes(flag: string, text: string | undefined): number | undefined;
export function memoryBytes(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseMemorySize(text);
  if (bytes === undefined)
    throw new UsageError(
      `invalid argument ${JSON.stringify(text)} for "--${flag}" flag: invalid size: '${text}'`,
    );
  return bytes;
}
