import type { Read } from "../../../grpc/index.ts";
import type { typed } from "./control-messages.ts";
import type { definition } from "./op-messages.ts";

/** An exporter or a cache. */
export type Typed = Read<typeof typed>;
/** A graph of operations. */
export type Definition = Read<typeof definition>;

/** What a client asks of a frontend, and what is to become of the result. */
export interface Order {
  readonly frontend: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** Results of other builds that this one uses. */
  readonly inputs: ReadonlyMap<string, Definition>;
  readonly exporters: readonly Typed[];
  readonly cacheImports: readonly Typed[];
  readonly cacheExports: readonly Typed[];
  readonly entitlements: readonly string[];
}

/** Those that begin with a prefix, without it. */
export function attributesAfter(
  attributes: ReadonlyMap<string, string>,
  prefix: string,
): ReadonlyMap<string, string> {
  return new Map(
    [...attributes].flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value] as const] : [],
    ),
  );
}
