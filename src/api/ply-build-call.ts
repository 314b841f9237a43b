import type { CallOptions, Calls } from "../build/index.ts";
import { PlyError } from "../error.ts";
import type { PlyBuildAnswer, PlyBuildLines, PlyBuildRequest } from "../wire/index.ts";

/** Answers a request that asks about a Dockerfile instead of building it. */
export async function answerCall(
  calls: Calls,
  call: NonNullable<PlyBuildRequest["call"]>,
  options: CallOptions,
): Promise<PlyBuildAnswer> {
  const { dockerfile } = options;
  switch (call) {
    case "check": {
      const { warnings, error } = await calls.check(options);
      return {
        type: call,
        dockerfile,
        warnings: warnings.map(placed),
        ...(error === undefined ? {} : { error }),
      };
    }
    case "outline": {
      const { args, secrets, ssh, caches, ...target } = await calls.outline(options);
      const lists = { secrets: secrets.map(placed), ssh: ssh.map(placed), caches: caches.map(placed) };
      return { type: call, dockerfile, ...target, args: args.map(placed), ...lists };
    }
    case "targets":
      return { type: call, dockerfile, targets: calls.targets(options).map(placed) };
    default:
      throw new PlyError("unsupported", `the method ${JSON.stringify(call satisfies never)} is not known`, {
        hint: "check, outline and targets are",
      });
  }
}

/** With lines in place of a range. */
function placed<Item extends { readonly at: { readonly start: number; readonly end: number } }>({
  at,
  ...item
}: Item): Omit<Item, "at"> & PlyBuildLines {
  return { ...item, line: at.start, endLine: at.end };
}
