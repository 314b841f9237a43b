import type { Verb } from "./verb.ts";

export const REGISTRIES: readonly Verb[] = [
  {
    names: ["login"],
    summary: "Log in to a registry",
    load: () => import("../commands/login.ts"),
  },
  {
    names: ["search"],
    summary: "Search Docker Hub or a registry for images",
    load: () => import("../commands/search.ts"),
  },
  {
    names: ["logout"],
    summary: "Log out from a registry",
    load: () => import("../commands/logout.ts"),
  },
];
