import { isDeepStrictEqual } from "node:util";
import type { ContainerRecord, CreateOptions } from "../container/index.ts";
import { NO_LIMITS } from "../runtime/index.ts";
import { parseCreateRequest } from "./create-request.ts";
import type { Fields } from "./fields.ts";

/** These say one thing together: never half old and half new. */
const WHOLE = new Set(["restart", "healthcheck", "logging", "consoleSize"]);

export interface RecreateRequest {
  readonly options: Omit<CreateOptions, "image" | "name"> & { readonly image?: string };
  readonly warnings: readonly string[];
}

/**
 * A create body as changes to a container that is there: what it says nothing about stays. Variables, labels, ports, mounts
 * and the like are laid over the old ones by their name or place, other lists take the place of the old ones.
 */
export function parseRecreateRequest(record: ContainerRecord, body: Fields): RecreateRequest {
  const { Image: given } = body;
  const Image = given || record.imageName;
  const { options, warnings } = parseCreateRequest({ ...body, Image }, null);
  const blank = parseCreateRequest({ Image }, null).options;
  const process = laidOver(record.process, options.process, blank.process);
  const host = laidOver({ ...record.host, resources: record.host.resources ?? NO_LIMITS }, options.host, {
    ...blank.host,
    resources: NO_LIMITS,
  });
  const { entrypoint, cmd } = options.process;
  return {
    options: {
      ...(given ? { image: Image as string } : {}),
      process: {
        ...process,
        env: byKey(record.process.env, options.process.env, (word) => word.split("=", 1)[0] ?? ""),
        // A new entry point has nothing to do with the old command.
        ...(entrypoint === null ? {} : { cmd }),
      },
      host: { ...host, binds: byKey(record.host.binds, options.host.binds, targetOf) },
    },
    warnings,
  };
}

function laidOver<T extends object>(old: T, given: T, blank: T): T {
  const before = { ...old } as Record<string, unknown>;
  const result = { ...before };
  const nothing = blank as Record<string, unknown>;
  for (const [key, value] of Object.entries(given)) {
    if (isDeepStrictEqual(value, nothing[key])) continue;
    const isTree = isRecord(value) && !WHOLE.has(key);
    if (key === "mounts" && Array.isArray(value))
      result[key] = byKey((before[key] ?? []) as Mount[], value as Mount[], ({ target }) => target);
    else if (isTree) result[key] = laidOver(recordOf(before[key]), value, recordOf(nothing[key]));
    else result[key] = value;
  }
  return result as T;
}

type Mount = { readonly target: string };

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function recordOf(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

/** The old ones that no new one takes the place of, then the new ones. */
function byKey<T>(old: readonly T[], given: readonly T[], keyOf: (item: T) => string): T[] {
  const taken = new Set(given.map(keyOf));
  return [...old.filter((item) => !taken.has(keyOf(item))), ...given];
}

/** Where a `-v` is mounted. */
function targetOf(bind: string): string {
  const [first = "", second] = bind.split(":");
  return second ?? first;
}
