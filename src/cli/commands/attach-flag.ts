import { UsageError } from "../failure.ts";
import type { FlagSpecs, FlagValues } from "../flags.ts";

const STREAMS = ["stdin", "stdout", "stderr"] as const;

/** Which streams a client will join. */
export type AttachPlan = Readonly<Record<(typeof STREAMS)[number], boolean>>;

export const ATTACH_FLAG = {
  attach: {
    kind: "list",
    short: "a",
    value: "STREAM",
    help: "Join only these of its streams: stdin, stdout, stderr",
  },
} as const satisfies FlagSpecs;

/** Docker's rules: what `-a` names, else all; stdin only with `-i`. Throws UsageError. */
export function attachPlan(
  flags: FlagValues<typeof ATTACH_FLAG> & { readonly interactive: boolean },
  { detach }: { readonly detach: boolean },
): AttachPlan {
  const named = flags.attach.map((word) => word.toLowerCase());
  const [wrong] = flags.attach.filter((_, at) => !STREAMS.some((stream) => stream === named[at]));
  if (wrong !== undefined)
    throw new UsageError(
      `invalid argument ${JSON.stringify(wrong)} for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR`,
    );
  if (detach && named.length > 0)
    throw new UsageError("conflicting options: cannot specify both --attach and --detach");
  const joins = (stream: string) => !detach && (named.length === 0 || named.includes(stream));
  return {
    stdin: joins("stdin") && flags.interactive,
    stdout: joins("stdout"),
    stderr: joins("stderr"),
  };
}
