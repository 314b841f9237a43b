import type { FlagSpecs, FlagValues } from "../flags.ts";
import { COMPAT_FLAGS } from "./compat-flags.ts";
import { OUTPUT_FLAGS } from "./output-flags.ts";
import { PROGRESS_MODES } from "./progress-mode.ts";
import { STEP_FLAGS } from "./step-flags.ts";

/** What `ply build` takes. */
export const BUILD_FLAGS = {
  ...OUTPUT_FLAGS,
  allow: {
    kind: "list",
    value: "RIGHT",
    help: "What steps may ask for: network.host, security.insecure, device[=NAME]",
  },
  "build-arg": {
    kind: "list",
    value: "NAME[=VALUE]",
    help: "Value of an ARG; without one, this shell's own",
  },
  "build-context": {
    kind: "list",
    value: "NAME=PATH|URL|IMAGE",
    help: "One more context, for --from=NAME",
    complete: "directory",
  },
  call: {
    kind: "string",
    default: "build",
    value: "METHOD",
    help: "Instead of building: check, outline or targets; then ,format=json",
  },
  check: { kind: "bool", help: "Look the Dockerfile over and build nothing (--call=check)" },
  explain: { kind: "bool", help: "Say at the end why each step that ran was not cached" },
  file: {
    kind: "list",
    short: "f",
    value: "FILE",
    help: "The Dockerfile (PATH/Dockerfile); -: standard input; several are read as one",
    complete: "file",
  },
  "force-rm": { kind: "bool", help: "Accepted for scripts: containers of steps are always removed" },
  label: { kind: "list", value: "KEY=VALUE", help: "Label for the image" },
  "list-context": {
    kind: "bool",
    help: "List what the build would see and what which rule leaves out; build nothing",
  },
  network: {
    kind: "string",
    value: "NETWORK",
    help: "Network of the steps: default, none, host",
    complete: "network",
  },
  "cache-from": {
    kind: "list",
    value: "NAME|type=TYPE,…",
    help: "Cache to look steps up in: an image or cache in a registry; type=local,src=DIR",
  },
  "cache-to": {
    kind: "list",
    value: "NAME|type=TYPE,…",
    help: "Where to put the cache: type=inline, type=registry,ref=NAME or type=local,dest=DIR; mode=max for all stages",
  },
  "no-cache": { kind: "bool", help: "Run every step anew" },
  "no-cache-filter": { kind: "list", value: "STAGE,...", help: "Run the steps of these stages anew" },
  platform: {
    kind: "list",
    value: "OS/ARCH[/VARIANT],...",
    help: "What to build for; several with --output or --push",
  },
  progress: {
    kind: "string",
    default: "auto",
    value: "MODE",
    choices: PROGRESS_MODES,
    help: `How to show it: ${PROGRESS_MODES.join(", ")}`,
  },
  pull: {
    kind: "string",
    value: "POLICY",
    bare: "true",
    choices: ["true", "false", "always", "missing", "newer", "never"],
    help: "Ask the registries for newer base images (true, always, newer), or for none at all (never)",
  },
  quiet: { kind: "bool", short: "q", help: "Print the image's id alone" },
  rm: { kind: "bool", help: "Accepted for scripts: containers of steps are always removed" },
  secret: {
    kind: "list",
    value: "id=ID[,type=file|env][,src=FILE|,env=NAME]",
    help: "Something for RUN --mount=type=secret that stays out of the image",
  },
  ssh: {
    kind: "list",
    value: "ID[=SOCKET|KEYFILE,...]",
    help: "Agent, or keys for one of its own, for RUN --mount=type=ssh (default: SSH_AUTH_SOCK)",
  },
  tag: { kind: "list", short: "t", value: "NAME[:TAG]", help: "Name for the image", complete: "image" },
  target: { kind: "string", value: "STAGE", help: "Stage to build (the last)" },
  verify: {
    kind: "bool",
    help: "Build twice without the cache, and fail with what differs where the layers are not the same",
  },
  timestamp: { kind: "int", value: "SECONDS", help: "Time of everything in the image, since 1970" },
  ...STEP_FLAGS,
  ...COMPAT_FLAGS,
} as const satisfies FlagSpecs;

export type BuildFlags = FlagValues<typeof BUILD_FLAGS>;
