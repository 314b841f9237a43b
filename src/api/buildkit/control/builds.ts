import { PlyError } from "../../../error.ts";
import type { GrpcStatus } from "../../../grpc/index.ts";
import type { ImageId } from "../../../oci/index.ts";
import { createArrivals } from "../arrivals.ts";
import type { SolveRequest } from "./control-messages.ts";
import { createJournal, type Journal } from "./journal.ts";
import { createWorks, type Works } from "./vertexes.ts";

/** A build that a client has begun. */
export interface Build {
  readonly ref: string;
  readonly request: SolveRequest;
  readonly journal: Journal;
  readonly works: Works;
  readonly createdAt: number;
  /** Aborted when its client does not want it any more. */
  readonly signal: AbortSignal;
  /** What the client says when it leads the build itself and is done with it: a status that is not OK, or nothing. */
  readonly returned: Promise<GrpcStatus | undefined>;
  return(status: GrpcStatus | undefined): void;
  /** What is being done for it; it is not over before that is. */
  readonly performing: Set<Promise<unknown>>;
  /** Images that are kept for builds that use the result of this one, as long as it is not over. */
  readonly kept: Set<ImageId>;
  /** What its exporters came to. */
  exporterResponse: ReadonlyMap<string, string>;
}

/** What there is to show of a request. */
export type ShownRequest = Pick<SolveRequest, "frontend" | "frontendAttributes" | "exporters">;

/** A build that is over, as it is remembered until the engine ends. */
export interface EndedBuild extends Pick<Build, "ref" | "createdAt" | "exporterResponse"> {
  readonly request: ShownRequest;
  readonly counts: Works["counts"];
  readonly completedAt: number;
  readonly error: GrpcStatus | undefined;
}

export interface Builds {
  /** Throws "exists" while another of the same id runs. End it when it is over. */
  begin(request: SolveRequest, signal: AbortSignal): Build;
  end(build: Build, error: GrpcStatus | undefined): void;
  /** The one of an id; waits a little for one that is about to begin. Throws "not-found". */
  get(ref: string, signal: AbortSignal): Promise<Build>;
  /** The oldest first. */
  readonly running: () => readonly Build[];
  readonly ended: () => readonly EndedBuild[];
  forget(ref: string): void;
}

/** As many as people look at. */
const REMEMBERED = 50;
/** The journal of one that is over is read to its end by then. */
const LINGERING_MS = 60_000;

export function openBuilds(clock: () => number): Builds {
  const builds = new Map<string, Build>();
  /** They are over, but what they have told may not have been read. */
  const lingering = new Map<string, Build>();
  const arrivals = createArrivals();
  let ended: EndedBuild[] = [];
  return {
    begin(request, signal) {
      const { ref } = request;
      if (ref === "") throw new PlyError("invalid", "a build needs an id");
      if (builds.has(ref)) throw new PlyError("exists", `the build ${ref} runs already`);
      const journal = createJournal();
      const returned = Promise.withResolvers<GrpcStatus | undefined>();
      const build: Build = {
        ref,
        request,
        journal,
        works: createWorks(ref, journal, clock),
        createdAt: clock(),
        signal,
        returned: returned.promise,
        return: returned.resolve,
        performing: new Set(),
        kept: new Set(),
        exporterResponse: new Map(),
      };
      builds.set(ref, build);
      arrivals.announce();
      return build;
    },
    end(build, error) {
      const { ref, request, works, createdAt, exporterResponse } = build;
      build.journal.close();
      builds.delete(ref);
      lingering.set(ref, build);
      setTimeout(() => {
        if (lingering.get(ref) === build) lingering.delete(ref);
      }, LINGERING_MS).unref();
      if (request.isInternal) return;
      const over = { counts: { ...works.counts }, completedAt: clock(), error, exporterResponse };
      ended = [...ended.slice(1 - REMEMBERED), { ref, request: shownOf(request), createdAt, ...over }];
    },
    get(ref, signal) {
      const missing = () => new PlyError("not-found", `no such job ${ref}`);
      return arrivals.wait(() => builds.get(ref) ?? lingering.get(ref), { missing, signal });
    },
    running: () => [...builds.values()].filter(({ request }) => !request.isInternal),
    ended: () => ended,
    forget(ref) {
      ended = ended.filter((build) => build.ref !== ref);
    },
  };
}

/** Longer values are nothing that people read. */
const SHOWN_CHARACTERS = 4096;

/** Without what may be secret (build arguments) or large: it is kept for long. */
export function shownOf({ frontend, frontendAttributes, exporters }: SolveRequest): ShownRequest {
  const isShort = ([, value]: readonly [string, string]) => value.length <= SHOWN_CHARACTERS;
  return {
    frontend,
    frontendAttributes: new Map(
      [...frontendAttributes].filter(isShort).filter(([name]) => !name.startsWith("build-arg:")),
    ),
    exporters: exporters.map(({ type, attributes }) => ({
      type,
      attributes: new Map([...attributes].filter(isShort)),
    })),
  };
}
