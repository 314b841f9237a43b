import type { Verb } from "./verb.ts";

export const ENGINE: readonly Verb[] = [
  {
    names: ["serve"],
    summary: "Run the engine in the foreground",
    load: () => import("../commands/serve.ts"),
  },
  {
    names: ["info", "system info"],
    summary: "Show what this engine and its host are",
    load: () => import("../commands/info.ts"),
  },
  {
    names: ["version"],
    summary: "Show the versions of the client and the engine",
    load: () => import("../commands/version.ts"),
  },
  {
    names: ["events", "system events"],
    summary: "Follow what happens in the engine",
    load: () => import("../commands/events.ts"),
  },
  {
    names: ["system df"],
    summary: "Show how much disk images, containers and volumes use",
    load: () => import("../commands/system-df.ts"),
  },
  {
    names: ["session"],
    summary: "Run a command, and remove what it made in the engine when it ends",
    load: () => import("../commands/session.ts"),
  },
  {
    names: ["system dial-stdio"],
    summary: "Connect standard input and output with the engine, for ssh:// addresses",
    load: () => import("../commands/system-dial-stdio.ts"),
  },
  {
    names: ["doctor", "system doctor"],
    summary: "Try what this host can do, and say what is missing and how to cure it",
    load: () => import("../commands/doctor.ts"),
  },
  {
    names: ["system check"],
    summary: "Verify the store, and repair it with --repair",
    load: () => import("../commands/system-check.ts"),
  },
  {
    names: ["system prune"],
    summary: "Remove unused data",
    load: () => import("../commands/system-prune.ts"),
  },
  {
    names: ["completion"],
    summary: "Print the completion script for bash, zsh or fish",
    load: () => import("../commands/completion.ts"),
  },
];
