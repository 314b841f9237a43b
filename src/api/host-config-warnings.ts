import { isObject } from "../oci/index.ts";
import { isRemoteLogDriver } from "./log-config.ts";

type Fields = Readonly<Record<string, unknown>>;

interface Rule {
  readonly field: string;
  /** What the user reads when the field asks for something. */
  readonly what: string;
  /** True when the value asks for something; absent: when it is not empty. */
  readonly asks?: (value: unknown) => boolean;
}

/** Settings that are read, cannot be honoured yet and are safe to go on without, as long as the user knows. */
const HOST_RULES: readonly Rule[] = [
  { field: "LogConfig", what: "the log driver", asks: isRemoteLogDriver },
  { field: "StorageOpt", what: "storage options" },
];

/** One line per setting that will not take effect. */
export function unhonoured(hostConfig: Fields): string[] {
  const lines = new Set<string>();
  if (asksSomething(hostConfig["KernelMemory"]))
    lines.add(
      "Specifying a kernel memory limit is deprecated and has no effect: the memory limit counts it.",
    );
  for (const { field, what, asks } of HOST_RULES)
    if ((asks ?? asksSomething)(hostConfig[field]))
      lines.add(`${what} (${field}): not supported by this version of ply, left out`);
  return [...lines];
}

function asksSomething(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === 0 || value === false) return false;
  if (Array.isArray(value)) return value.length > 0;
  return isObject(value) ? Object.keys(value).length > 0 : true;
}
