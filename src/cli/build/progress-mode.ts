import { UsageError } from "../failure.ts";

export const PROGRESS_MODES = ["auto", "plain", "tty", "quiet", "rawjson"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** What `--progress` says, or without it the environment, in docker's variable or ply's own. Throws UsageError. */
export function progressMode(
  flag: ProgressMode,
  env: Readonly<Record<string, string | undefined>>,
): ProgressMode {
  if (flag !== "auto") return flag;
  const [variable = ""] = ["PLY_PROGRESS", "BUILDKIT_PROGRESS"].filter((name) => env[name]);
  const wanted = env[variable] ?? "auto";
  const mode = PROGRESS_MODES.find((each) => each === wanted);
  if (mode === undefined)
    throw new UsageError(`${variable}=${wanted} is none of ${PROGRESS_MODES.join(", ")}`);
  return mode;
}
