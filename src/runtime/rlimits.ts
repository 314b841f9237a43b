import type { ResourceLimit } from "../linux/index.ts";
import type { OciRlimit } from "./spec.ts";

/**
 * Brings wanted limits below what this process may set: without CAP_SYS_RESOURCE nothing above the own
 * hard limit. A limit that was lowered is in `warnings`.
 */
export function clampRlimits(
  wanted: readonly OciRlimit[],
  own: ReadonlyMap<string, ResourceLimit>,
  mayRaise: boolean,
): { rlimits: OciRlimit[]; warnings: string[] } {
  const warnings: string[] = [];
  const rlimits = wanted.map((limit) => {
    const most = own.get(limit.type)?.hard ?? Number.POSITIVE_INFINITY;
    if (mayRaise || limit.hard <= most) return limit;
    warnings.push(`${limit.type} is lowered from ${limit.hard} to ${most}, the most this host allows`);
    return { type: limit.type, soft: Math.min(limit.soft, most), hard: most };
  });
  return { rlimits, warnings };
}
