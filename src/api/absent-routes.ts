import { PlyError } from "../error.ts";
import { type Exchange, param, sendJson } from "./exchange.ts";
import type { ApiRoute, Handler, Service } from "./service.ts";

/** What Docker has and ply has not: Docker's own words where it has some, else what to use instead. */

const SWARM = [
  "GET /swarm",
  "POST /swarm/init",
  "POST /swarm/join",
  "POST /swarm/leave",
  "POST /swarm/update",
  "GET /swarm/unlockkey",
  "POST /swarm/unlock",
  "GET /nodes",
  "GET /nodes/{id}",
  "DELETE /nodes/{id}",
  "POST /nodes/{id}/update",
  "GET /services",
  "POST /services/create",
  "GET /services/{id}",
  "DELETE /services/{id}",
  "POST /services/{id}/update",
  "GET /services/{id}/logs",
  "GET /tasks",
  "GET /tasks/{id}",
  "GET /tasks/{id}/logs",
  "GET /secrets",
  "POST /secrets/create",
  "GET /secrets/{id}",
  "DELETE /secrets/{id}",
  "POST /secrets/{id}/update",
  "GET /configs",
  "POST /configs/create",
  "GET /configs/{id}",
  "DELETE /configs/{id}",
  "POST /configs/{id}/update",
];

/** No plugin is ever installed. */
const OF_ONE_PLUGIN = [
  "GET /plugins/{name:.*}/json",
  "DELETE /plugins/{name:.*}",
  "POST /plugins/{name:.*}/enable",
  "POST /plugins/{name:.*}/disable",
  "POST /plugins/{name:.*}/upgrade",
  "POST /plugins/{name:.*}/push",
  "POST /plugins/{name:.*}/set",
];

/** By what is not there, with what to use instead. */
const INSTEAD: readonly (readonly [routes: readonly string[], what: string, hint: string])[] = [
  [
    ["GET /plugins/privileges", "POST /plugins/pull", "POST /plugins/create"],
    "ply has no plugins",
    "volumes, networks and logs have drivers that are built in",
  ],
  [
    [
      "GET /containers/{name}/checkpoints",
      "POST /containers/{name}/checkpoints",
      "DELETE /containers/{name}/checkpoints/{checkpoint}",
    ],
    "ply keeps no checkpoints of processes",
    "commit keeps a container's files, pause its processes",
  ],
  [
    ["POST /session", "POST /grpc"],
    "no upgrade proto in request",
    "clients of BuildKit take the connection over with Upgrade: h2c",
  ],
  [
    ["GET /debug/pprof", "GET /debug/pprof/{profile:.*}"],
    "ply is no Go program and has no pprof profiles",
    "GET /debug/vars has its memory",
  ],
];

export const absentRoutes: readonly ApiRoute[] = [
  ...SWARM.map((route) => routeOf(route, notASwarm)),
  { method: "GET", path: "/plugins", handler: (exchange) => sendJson(exchange, 200, []) },
  ...OF_ONE_PLUGIN.map((route) => routeOf(route, noSuchPlugin)),
  ...INSTEAD.flatMap(([routes, what, hint]) =>
    routes.map((route) =>
      routeOf(route, () => {
        throw new PlyError("unsupported", `${what}: ${hint}`);
      }),
    ),
  ),
  { method: "PUT", path: "/volumes/{name}", handler: notAClusterVolume },
  { method: "GET", path: "/images/{name:.*}/attestations", handler: noAttestations },
];

function routeOf(route: string, handler: Handler): ApiRoute {
  const [method = "", path = ""] = route.split(" ");
  return { method, path, handler };
}

/** Throws "unavailable" in Docker's words. */
export function notASwarm(): never {
  throw new PlyError(
    "unavailable",
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
}

/** `docker inspect X` asks for every kind of thing in turn, and goes on as long as the answer is 404. */
function noSuchPlugin(exchange: Exchange): never {
  throw new PlyError("not-found", `plugin ${JSON.stringify(param(exchange, "name"))} not found`);
}

function notAClusterVolume(): never {
  throw new PlyError("unavailable", "volume update only valid for cluster volumes, but swarm is unavailable");
}

/** They are manifests beside the image's own, and ply keeps the one for its platform. */
async function noAttestations(exchange: Exchange, { engine }: Service): Promise<void> {
  await engine.images.inspect(param(exchange, "name"));
  throw new PlyError(
    "unsupported",
    "ply keeps no attestations: read them in the registry that the image came from",
  );
}
