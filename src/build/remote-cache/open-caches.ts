import type { Lease } from "../../store/index.ts";
import type { BuildOptions } from "../build.ts";
import type { LayerSupply } from "../layer-supply.ts";
import type { BuilderParts } from "../parts.ts";
import type { Session, StageResult } from "../session.ts";
import { openExports } from "./export.ts";
import { type CacheImports, openImports } from "./import.ts";

/** The caches outside of the store that one build reads and writes. */
export interface BuildCaches extends Disposable {
  readonly imports: CacheImports;
  /** Keeps what the build made until it is sent. */
  hold(built: readonly { readonly session: Session; readonly result: StageResult }[]): Promise<void>;
  /** Sends it. Throws what fails, unless that is to be ignored. */
  send(): Promise<void>;
}

export interface CacheJoints {
  readonly parts: Pick<BuilderParts, "store" | "images" | "platform" | "clock">;
  readonly options: BuildOptions;
  readonly supply: LayerSupply;
  readonly lease: Lease;
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal;
}

/** Begins to read the caches to use. Throws "conflict" for a directory to write to that is not on this host. */
export async function openCaches({
  parts,
  options,
  supply,
  lease,
  warn,
  signal,
}: CacheJoints): Promise<BuildCaches> {
  const { cacheFrom = [], cacheTo = [], credentialsOf, onEvent } = options;
  const exports = await openExports(
    {
      ...parts,
      supply,
      credentialsOf,
      warn,
      onProgress: (progress) => onEvent?.({ kind: "push", progress }),
      signal,
    },
    cacheTo,
  );
  const { platforms: asked = [] } = options;
  const platforms = asked.length === 0 ? [parts.platform] : asked;
  const imports = openImports({ ...parts, supply, lease, platforms, credentialsOf, warn, signal }, cacheFrom);
  return {
    imports,
    async hold(built) {
      const stages = await Promise.all(
        built.flatMap(({ session }) => session.graph.stages.map(({ stage }) => session.stageOf(stage.index))),
      );
      exports.hold({
        min: built.flatMap(({ result }) => result.records),
        max: stages.flatMap(({ records }) => records),
      });
    },
    send: () => exports.send(),
    [Symbol.dispose]: () => exports.end(),
  };
}
