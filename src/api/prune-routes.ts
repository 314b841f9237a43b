import { isPlyError } from "../error.ts";
import type { DockerContainerPrune } from "../wire/index.ts";
import { type Exchange, sendJson } from "./exchange.ts";
import { type Filters, filterValue, filterValues, hasLabels, parseFilters } from "./filters.ts";
import type { ApiRoute, Service } from "./service.ts";
import { parseTimestampMs } from "./timestamp.ts";

/** What `docker system prune` asks for beside images and volumes. */
export const pruneRoutes: readonly ApiRoute[] = [
  { method: "POST", path: "/containers/prune", handler: pruneContainers },
];

const FILTERS = ["label", "label!", "until"];

/** Removes the containers that do not run; their volumes stay, as with Docker. */
async function pruneContainers(exchange: Exchange, { engine, clock }: Service): Promise<void> {
  const filters = parseFilters(exchange.query, FILTERS);
  const createdBefore = untilOf(filters, clock());
  const labels = filterValues(filters, "label");
  const spared = filterValues(filters, "label!");
  const stopped = engine.containers.list().filter(({ status, createdAt, config }) => {
    const own = config.Labels ?? {};
    return (
      (status === "created" || status === "exited" || status === "dead") &&
      createdAt < createdBefore &&
      hasLabels(own, labels) &&
      !spared.some((label) => hasLabels(own, [label]))
    );
  });
  const removed: string[] = [];
  let bytes = 0;
  for (const { id } of stopped)
    try {
      const size = await engine.containers.sizeOf(id);
      await engine.containers.remove(id, { force: false, volumes: false });
      removed.push(id);
      bytes += size;
    } catch (error) {
      // Started or removed by somebody else in the meantime.
      if (!isPlyError(error, "conflict") && !isPlyError(error, "not-found")) throw error;
    }
  const body: DockerContainerPrune = {
    ContainersDeleted: removed.length === 0 ? null : removed,
    SpaceReclaimed: bytes,
  };
  sendJson(exchange, 200, body);
}

/** Milliseconds since 1970; without the filter any time is before it. */
function untilOf(filters: Filters, nowMs: number): number {
  const value = filterValue(filters, "until");
  return value === undefined ? Number.POSITIVE_INFINITY : parseTimestampMs(value, nowMs);
}
