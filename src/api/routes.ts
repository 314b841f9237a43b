import { absentRoutes } from "./absent-routes.ts";
import { archiveRoutes } from "./archive-routes.ts";
import { attachRoutes } from "./attach-routes.ts";
import { buildRoutes } from "./build-routes.ts";
import { builderCacheRoutes } from "./builder-cache-routes.ts";
import { cacheRoutes } from "./cache-routes.ts";
import { containerRoutes } from "./container-routes.ts";
import { controlRoutes } from "./control-routes.ts";
import { doctorRoutes } from "./doctor-routes.ts";
import { execRoutes } from "./exec-routes.ts";
import { imageRoutes } from "./image-routes.ts";
import { laterRoutes } from "./later-routes.ts";
import { logRoutes } from "./log-routes.ts";
import { networkRoutes } from "./network-routes.ts";
import { plyBuildRoutes } from "./ply-build-routes.ts";
import { plyRoutes } from "./ply-routes.ts";
import { pruneRoutes } from "./prune-routes.ts";
import { recreateRoutes } from "./recreate-routes.ts";
import type { ApiRoute } from "./service.ts";
import { sessionRoutes } from "./session-routes.ts";
import { snapshotRoutes } from "./snapshot-routes.ts";
import { systemRoutes } from "./system-routes.ts";
import { transferRoutes } from "./transfer-routes.ts";
import { volumeRoutes } from "./volume-routes.ts";

/** Every route, in the order in which templates are tried. */
export const routes: readonly ApiRoute[] = [
  ...systemRoutes,
  ...imageRoutes,
  ...transferRoutes,
  ...containerRoutes,
  ...controlRoutes,
  ...attachRoutes,
  ...logRoutes,
  ...execRoutes,
  ...archiveRoutes,
  ...networkRoutes,
  ...volumeRoutes,
  ...pruneRoutes,
  ...buildRoutes,
  ...builderCacheRoutes,
  ...plyBuildRoutes,
  ...cacheRoutes,
  ...snapshotRoutes,
  ...recreateRoutes,
  ...plyRoutes,
  ...doctorRoutes,
  ...sessionRoutes,
  ...laterRoutes,
  ...absentRoutes,
];
