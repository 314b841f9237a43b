import { serveGrpc } from "../../grpc/index.ts";
import type { Buildkit, Service } from "../service.ts";
import { hangUp, upgradeToH2c } from "../upgrade.ts";
import { openBuilds } from "./control/builds.ts";
import { controlService } from "./control/control-service.ts";
import { gatewayService } from "./control/gateway-service.ts";
import { healthService } from "./control/health-service.ts";
import { postBuild } from "./post-build.ts";
import { createSessions } from "./session/sessions.ts";

/** Builds and sessions of clients of BuildKit, none yet. */
export function openBuildkit({ engine, clock }: Pick<Service, "engine" | "clock">): Buildkit {
  const sessions = createSessions({ runRoot: engine.info.runRoot });
  const builds = openBuilds(clock);
  return {
    build: (exchange) => postBuild(exchange, { engine, sessions, clock }),
    async answer(context, path) {
      if (path === "/session") return await sessions.serve(context);
      const { socket, closing, session: owner } = context;
      upgradeToH2c(context);
      const parts = { engine, sessions, builds, owner, clock };
      const services = [...controlService(parts), ...gatewayService(parts), ...healthService()];
      await serveGrpc(socket, services, { signal: closing });
      hangUp(socket);
    },
  };
}
