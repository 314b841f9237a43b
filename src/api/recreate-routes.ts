import type { DockerCreateResponse } from "../wire/index.ts";
import { type Exchange, param, readJsonObject, sendJson } from "./exchange.ts";
import { parseRecreateRequest } from "./recreate-request.ts";
import type { ApiRoute, Service } from "./service.ts";

export const recreateRoutes: readonly ApiRoute[] = [
  { method: "POST", path: "/ply/containers/{name}/recreate", handler: recreate },
];

/** The body is Docker's create body; what it leaves out stays as it is. */
async function recreate(exchange: Exchange, { engine }: Service): Promise<void> {
  const name = param(exchange, "name");
  const record = engine.containers.get(name);
  const { options, warnings } = parseRecreateRequest(record, await readJsonObject(exchange));
  const more = await engine.containers.recreate(record.id, options);
  const body: DockerCreateResponse = { Id: record.id, Warnings: [...more, ...warnings] };
  sendJson(exchange, 200, body);
}
