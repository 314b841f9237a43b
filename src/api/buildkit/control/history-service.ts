import type { Given, Read } from "../../../grpc/index.ts";
import type { Build, Builds, EndedBuild } from "./builds.ts";
import type { HistoryRecord, historyEvent, historyRequest } from "./control-messages.ts";
import { timeOf } from "./vertexes.ts";

type Event = Given<typeof historyEvent>;
const STARTED = 0;
const COMPLETE = 1;

/** The builds that run and those that this engine remembers, the newest first. */
export function historyEvents(builds: Builds, request: Read<typeof historyRequest>): Event[] {
  const { ref, activeOnly, limit } = request;
  const running = builds.running().map((build) => ({ type: STARTED, record: recordOf(build) }));
  const ended = activeOnly
    ? []
    : builds.ended().map((build) => ({ type: COMPLETE, record: endedRecord(build) }));
  const wanted = [...ended, ...running].reverse().filter(({ record }) => ref === "" || record.ref === ref);
  return limit > 0 ? wanted.slice(0, limit) : wanted;
}

function recordOf({
  ref,
  request,
  works,
  createdAt,
}: Pick<Build, "ref" | "request" | "createdAt"> & {
  readonly works: { readonly counts: EndedBuild["counts"] };
}): HistoryRecord {
  const { counts } = works;
  return {
    ref,
    frontend: request.frontend === "" ? "dockerfile.v0" : request.frontend,
    frontendAttributes: shownAttributes(request.frontendAttributes),
    exporters: request.exporters,
    createdAt: timeOf(createdAt),
    cachedSteps: counts.cached,
    totalSteps: counts.total,
    completedSteps: counts.completed,
  };
}

function endedRecord(build: EndedBuild): HistoryRecord {
  const { error, completedAt, exporterResponse } = build;
  return {
    ...recordOf({ ...build, works: build }),
    completedAt: timeOf(completedAt),
    exporterResponse,
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
  };
}

/** Values of build arguments may be secret: clients that list builds need none of them. */
function shownAttributes(attributes: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...attributes].filter(([name]) => !name.startsWith("build-arg:")));
}
