import { PlyError } from "../error.ts";
import { type Exchange, param, readJsonObject, sendEmpty, sendJson } from "./exchange.ts";
import { queryInteger } from "./query.ts";
import { resourcesOf, restartPolicyOf } from "./resource-request.ts";
import type { ApiRoute, Service } from "./service.ts";
import { streamStats } from "./stats-routes.ts";

/** What is done to a container between its start and its end. */
export const controlRoutes: readonly ApiRoute[] = [
  { method: "POST", path: "/containers/{name}/restart", handler: restart },
  { method: "POST", path: "/containers/{name}/pause", handler: pause },
  { method: "POST", path: "/containers/{name}/unpause", handler: unpause },
  { method: "POST", path: "/containers/{name}/rename", handler: rename },
  { method: "POST", path: "/containers/{name}/update", handler: update },
  { method: "GET", path: "/containers/{name}/stats", handler: streamStats },
];

async function restart(exchange: Exchange, { engine }: Service): Promise<void> {
  const timeoutSeconds = queryInteger(exchange.query, "t");
  const signal = exchange.query.get("signal");
  await engine.containers.restart(param(exchange, "name"), {
    ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
    ...(signal ? { signal } : {}),
  });
  sendEmpty(exchange, 204);
}

async function pause(exchange: Exchange, { engine }: Service): Promise<void> {
  await engine.containers.pause(param(exchange, "name"));
  sendEmpty(exchange, 204);
}

async function unpause(exchange: Exchange, { engine }: Service): Promise<void> {
  await engine.containers.unpause(param(exchange, "name"));
  sendEmpty(exchange, 204);
}

async function rename(exchange: Exchange, { engine }: Service): Promise<void> {
  const to = exchange.query.get("name") ?? "";
  if (to === "") throw new PlyError("invalid", "Neither old nor new names may be empty");
  await engine.containers.rename(param(exchange, "name"), to);
  sendEmpty(exchange, 204);
}

async function update(exchange: Exchange, { engine }: Service): Promise<void> {
  const body = await readJsonObject(exchange);
  const restart = restartPolicyOf(body);
  const warnings = await engine.containers.update(param(exchange, "name"), {
    resources: resourcesOf(body),
    ...(restart === undefined ? {} : { restart }),
  });
  sendJson(exchange, 200, { Warnings: warnings });
}
