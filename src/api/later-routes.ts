import { PlyError } from "../error.ts";
import type { ApiRoute } from "./service.ts";

/** What comes, and what to do until then. */
const LATER: readonly (readonly [routes: readonly string[], what: string, instead: string])[] = [];

export const laterRoutes: readonly ApiRoute[] = LATER.flatMap(([routes, what, instead]) =>
  routes.map((route) => {
    const [method = "", path = ""] = route.split(" ");
    return {
      method,
      path,
      handler: () => {
        throw new PlyError("unsupported", `${what} comes with a later version of ply; for now: ${instead}`);
      },
    };
  }),
);
