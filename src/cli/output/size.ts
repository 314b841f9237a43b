import { parseDiskSize } from "../../byte-size.ts";
import { UsageError } from "../failure.ts";

/** {@link parseDiskSize} for a flag: throws UsageError. */
export function requireSize(text: string): number {
  const bytes = parseDiskSize(text);
  if (bytes === undefined)
    throw new UsageError(`invalid size ${JSON.stringify(text)}: write it as 20GB, 500MB or 1.5GiB`);
  return bytes;
}
