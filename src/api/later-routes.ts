import { PlyError } from "../error.ts";
import { param, sendJson } from "./exchange.ts";
import type { ApiRoute, Handler } from "./service.ts";

/** What Docker has and ply has not, or not yet: a clear answer each, so that nobody has to guess. */

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

/** What comes, and what to do until then. */
const LATER: readonly (readonly [routes: readonly string[], what: string, instead: string])[] = [
  [
    ["GET /containers/{name}/attach/ws"],
    "this part of a container's life",
    "create, start, stop, kill, wait, attach, commit and remove are there",
  ],
  [
    ["POST /build", "POST /build/cancel", "POST /session", "POST /grpc"],
    "building images",
    "run a container, change it and commit it; or build elsewhere and load the result",
  ],
  [
    [
      "POST /networks/create",
      "DELETE /networks/{name}",
      "POST /networks/{name}/connect",
      "POST /networks/{name}/disconnect",
    ],
    "networks of your own",
    "use the host network or none",
  ],
  [
    ["PUT /volumes/{name}"],
    "changing a volume",
    "only volumes of a cluster can be changed, and there are none",
  ],
  [
    [
      "GET /containers/{name}/checkpoints",
      "POST /containers/{name}/checkpoints",
      "DELETE /containers/{name}/checkpoints/{checkpoint}",
      "GET /images/{name:.*}/attestations",
    ],
    "this",
    "see the documentation for what is there",
  ],
];

const PLUGINS = [
  "GET /plugins/privileges",
  "POST /plugins/pull",
  "DELETE /plugins/{name:.*}",
  "POST /plugins/{name:.*}/enable",
  "POST /plugins/{name:.*}/disable",
  "POST /plugins/{name:.*}/upgrade",
  "POST /plugins/create",
  "POST /plugins/{name:.*}/push",
  "POST /plugins/{name:.*}/set",
];

export const laterRoutes: readonly ApiRoute[] = [
  ...SWARM.map((route) => routeOf(route, notASwarm)),
  { method: "GET", path: "/plugins", handler: (exchange) => sendJson(exchange, 200, []) },
  // `docker inspect X` asks for every kind of thing in turn, and goes on as long as the answer is 404.
  {
    method: "GET",
    path: "/plugins/{name:.*}/json",
    handler: (exchange) => {
      throw new PlyError("not-found", `plugin ${JSON.stringify(param(exchange, "name"))} not found`);
    },
  },
  ...PLUGINS.map((route) =>
    routeOf(route, () => {
      throw new PlyError("unsupported", "ply has no plugins");
    }),
  ),
  ...LATER.flatMap(([routes, what, instead]) =>
    routes.map((route) =>
      routeOf(route, () => {
        throw new PlyError("unsupported", `${what} comes with a later version of ply; for now: ${instead}`);
      }),
    ),
  ),
];

function routeOf(route: string, handler: Handler): ApiRoute {
  const [method = "", path = ""] = route.split(" ");
  return { method, path, handler };
}

function notASwarm(): never {
  throw new PlyError(
    "unavailable",
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
}
