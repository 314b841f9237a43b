import type { DockerHostConfig } from "../../wire/index.ts";
import { UsageError } from "../failure.ts";
import type { FlagSpecs, FlagValues } from "../flags.ts";

/** Which log a container keeps. */
export const LOG_FLAGS = {
  "log-driver": { kind: "string", value: "DRIVER", help: "Log it keeps: json-file, local, none" },
  "log-opt": {
    kind: "list",
    value: "NAME=VALUE",
    help: "Option of the log: max-size=10m, max-file=5, labels=KEY, env=NAME",
  },
} as const satisfies FlagSpecs;

export function logConfigOf(flags: FlagValues<typeof LOG_FLAGS>): Pick<DockerHostConfig, "LogConfig"> {
  const options = flags["log-opt"].map((word) => {
    const equals = word.indexOf("=");
    return equals < 0 ? ([word, ""] as const) : ([word.slice(0, equals), word.slice(equals + 1)] as const);
  });
  const Type = flags["log-driver"] ?? "";
  if (Type === "none" && options.length > 0) throw new UsageError("invalid logging opts for driver none");
  if (Type === "" && options.length === 0) return {};
  return { LogConfig: { Type, Config: Object.fromEntries(options) } };
}
