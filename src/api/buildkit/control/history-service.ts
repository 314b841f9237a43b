import type { Given, Read } from "../../../grpc/index.ts";
import { type Builds, type EndedBuild, shownOf } from "./builds.ts";
import type { HistoryRecord, historyEvent, historyRequest } from "./control-messages.ts";
import { timeOf } from "./vertexes.ts";

type Event = Given<typeof historyEvent>;
const STARTED = 0;
const COMPLETE = 1;

/** The builds that run and those that this engine remembers, the newest first. */
export function historyEvents(builds: Builds, request: Read<typeof historyRequest>): Event[] {
  const { ref, activeOnly, limit } = request;
  const running = builds.running().map(({ ref, request: asked, createdAt, works: { counts } }) => ({
    type: STARTED,
    record: recordOf({ ref, request: shownOf(asked), createdAt, counts }),
  }));
  const ended = activeOnly
    ? []
    : builds.ended().map((build) => ({ type: COMPLETE, record: endedRecord(build) }));
  const wanted = [...ended, ...running].reverse().filter(({ record }) => ref === "" || record.ref === ref);
  return limit > 0 ? wanted.slice(0, limit) : wanted;
}

function recordOf({
  ref,
  request: { frontend, frontendAttributes, exporters },
  createdAt,
  counts,
}: Pick<EndedBuild, "ref" | "request" | "createdAt" | "counts">): HistoryRecord {
  return {
    ref,
    frontend: frontend === "" ? "dockerfile.v0" : frontend,
    frontendAttributes,
    exporters,
    createdAt: timeOf(createdAt),
    cachedSteps: counts.cached,
    totalSteps: counts.total,
    completedSteps: counts.completed,
  };
}

function endedRecord(build: EndedBuild): HistoryRecord {
  const { error, completedAt, exporterResponse } = build;
  return {
    ...recordOf(build),
    completedAt: timeOf(completedAt),
    exporterResponse,
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
  };
}
