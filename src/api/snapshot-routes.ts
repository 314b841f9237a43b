import type { ContainerSnapshot } from "../container/index.ts";
import type { PlySnapshot, PlySnapshotCreated } from "../wire/index.ts";
import { type Exchange, param, readJsonObject, sendEmpty, sendJson } from "./exchange.ts";
import { text } from "./fields.ts";
import { queryBoolean } from "./query.ts";
import type { ApiRoute, Service } from "./service.ts";
import { formatTime } from "./timestamp.ts";

const OF_CONTAINER = "/ply/containers/{name}/snapshots";

/** What is kept of containers and their volumes, to go back to. */
export const snapshotRoutes: readonly ApiRoute[] = [
  { method: "GET", path: "/ply/snapshots", handler: list },
  { method: "POST", path: OF_CONTAINER, handler: create },
  { method: "GET", path: `${OF_CONTAINER}/{snapshot}`, handler: inspect },
  { method: "DELETE", path: `${OF_CONTAINER}/{snapshot}`, handler: remove },
  { method: "POST", path: "/ply/containers/{name}/restore", handler: restore },
];

async function list(exchange: Exchange, service: Service): Promise<void> {
  const { engine } = service;
  const container = exchange.query.get("container") || undefined;
  const found = engine.containers.snapshots.list(container);
  sendJson(exchange, 200, await Promise.all(found.map((each) => view(service, each))));
}

async function create(exchange: Exchange, service: Service): Promise<void> {
  const name = text(await readJsonObject(exchange), "name");
  const made = await service.engine.containers.snapshots.create(param(exchange, "name"), name || undefined);
  const body: PlySnapshotCreated = {
    snapshot: await view(service, made.snapshot),
    warnings: made.warnings,
  };
  sendJson(exchange, 201, body);
}

async function inspect(exchange: Exchange, service: Service): Promise<void> {
  const { snapshots } = service.engine.containers;
  const found = snapshots.get(param(exchange, "name"), param(exchange, "snapshot"));
  sendJson(exchange, 200, await view(service, found));
}

async function remove(exchange: Exchange, { engine }: Service): Promise<void> {
  await engine.containers.snapshots.remove(param(exchange, "name"), param(exchange, "snapshot"));
  sendEmpty(exchange, 204);
}

async function restore(exchange: Exchange, service: Service): Promise<void> {
  const name = exchange.query.get("snapshot") || undefined;
  const restored = await service.engine.containers.snapshots.restore(param(exchange, "name"), {
    ...(name === undefined ? {} : { name }),
    force: queryBoolean(exchange.query, "force"),
  });
  sendJson(exchange, 200, await view(service, restored));
}

async function view({ engine }: Service, snapshot: ContainerSnapshot): Promise<PlySnapshot> {
  const { name, containerId, createdAt, method, volumes, tookMs } = snapshot;
  const { containers } = engine;
  return {
    name,
    container: { id: containerId, name: containers.get(containerId).name },
    created: formatTime(createdAt),
    method,
    volumes,
    tookMs,
    size: await containers.snapshots.sizeOf(containerId, name),
  };
}
