import { isPlyError } from "../../error.ts";
import { defaultRoot, defaultRunRoot, TLS_FLAGS, type TlsFlags, tlsFiles } from "../client/index.ts";
import { command, type ServeOptions } from "../command.ts";
import { ExitError, OWNED_BY_ANOTHER, UsageError } from "../failure.ts";
import { DONE } from "../output/index.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {
    root: {
      kind: "string",
      value: "DIR",
      complete: "directory",
      help: "Where everything is kept (/var/lib/ply)",
    },
    "run-root": {
      kind: "string",
      value: "DIR",
      complete: "directory",
      help: "What a reboot may take: sockets, mounts (/run/ply)",
    },
    config: {
      kind: "string",
      value: "DIR",
      complete: "directory",
      help: "Folder with engine.json, registries.json and certs.d/ (/etc/ply)",
    },
    host: {
      kind: "list",
      short: "H",
      value: "ADDRESS",
      help: "Listen here: unix:///path, tcp://127.0.0.1:2375 (unix://RUN-ROOT/ply.sock)",
    },
    ...TLS_FLAGS,
    "insecure-tcp": {
      kind: "bool",
      help: "Listen on tcp:// beyond this machine without client certificates: whoever reaches it is root here",
    },
    ephemeral: {
      kind: "string",
      value: "WHAT",
      choices: ["containers", "all"],
      help: "Live as long as standard input, then remove containers, networks and volumes; all: the roots too",
    },
    "storage-driver": {
      kind: "string",
      value: "NAME",
      help: "erofs or overlay2; without it, the best that works here",
    },
    "add-runtime": {
      kind: "list",
      value: "NAME=PATH",
      help: "One more OCI runtime that containers may ask for",
    },
    "default-runtime": {
      kind: "string",
      value: "NAME",
      help: "OCI runtime of containers that ask for none (crun)",
    },
    "userns-remap": {
      kind: "string",
      value: "USER[:GROUP]",
      help: "Containers get user namespaces with this user's ids of /etc/subuid; or: default",
    },
    "builder-gc": {
      kind: "string",
      value: "NAME=VALUE,…|false",
      help: "Bounds of the build cache: keepDuration, reservedSpace, maxUsedSpace, minFreeSpace (60 days; by the disk's size)",
    },
    "cgroup-favordynmods": {
      kind: "string",
      value: "true|false",
      choices: ["true", "false"],
      help: "Set the host's cgroups so that containers start some 10 ms sooner (true); holds until a reboot",
    },
  },
  description:
    "Other commands start an engine by themselves when none listens on the usual socket. Several engines with roots of their own live side by side.",
  examples: [
    ["ply serve", "the usual engine, in the foreground"],
    [
      "ply serve --tlsverify -H tcp://0.0.0.0:2376",
      "over the network, for clients with a certificate of the CA in DOCKER_CERT_PATH",
    ],
    ["ply serve --root /tmp/a --run-root /tmp/a/run -H unix:///tmp/a/ply.sock", "one more, apart from it"],
  ],
  async run(context, flags) {
    const { uid } = context;
    const runRoot = flags["run-root"] ?? defaultRunRoot(context.env, uid);
    using interruption = context.interruptible();
    const storageDriver = flags["storage-driver"];
    const { ephemeral, "cgroup-favordynmods": favored } = flags;
    const tls = tlsFiles({ ...context.target.tls, ...given(flags) }, context.env);
    try {
      await context.serve({
        root: flags.root ?? defaultRoot(context.env, uid),
        runRoot,
        hosts: flags.host.length > 0 ? flags.host : [context.target.host ?? `unix://${runRoot}/ply.sock`],
        ...(storageDriver === undefined ? {} : { storageDriver }),
        ...runtimesOf(flags),
        ...(flags["userns-remap"] === undefined ? {} : { usernsRemap: flags["userns-remap"] }),
        ...(favored === undefined ? {} : { cgroupFavordynmods: favored === "true" }),
        ...(flags["builder-gc"] === undefined ? {} : { builderGc: builderGcOf(flags["builder-gc"]) }),
        ...(ephemeral === undefined ? {} : { ephemeral }),
        ...(tls === undefined ? {} : { tls }),
        allowInsecureTcp: flags["insecure-tcp"],
        ...(flags.config === undefined ? {} : { configDir: flags.config }),
        signal: interruption.signal,
        onListening: () => {},
      });
    } catch (error) {
      if (isPlyError(error, "conflict"))
        throw new ExitError(
          OWNED_BY_ANOTHER,
          `Error: ${error.message}${error.hint === undefined ? "" : `\nHint: ${error.hint}`}`,
        );
      throw error;
    }
    return DONE;
  },
});

/** `false`, or `keepDuration=240h,maxUsedSpace=20GB`; the engine knows the fields. */
function builderGcOf(text: string): NonNullable<ServeOptions["builderGc"]> {
  if (text === "true" || text === "false") return { enabled: text === "true" };
  return Object.fromEntries(
    text.split(",").map((field) => {
      const [, name, value] = /^(\w+)=(.+)$/.exec(field) ?? [];
      if (name === undefined || value === undefined)
        throw new UsageError(
          `invalid argument ${JSON.stringify(text)} for "--builder-gc" flag: want true, false or NAME=VALUE,…`,
        );
      return [name, value];
    }),
  );
}

function runtimesOf(flags: {
  readonly "add-runtime": readonly string[];
  readonly "default-runtime": string | undefined;
}): Pick<ServeOptions, "runtimes" | "defaultRuntime"> {
  const runtimes = flags["add-runtime"].map((word) => {
    const [, name, path] = /^([\w.-]+)=(\/.+)$/.exec(word) ?? [];
    if (name === undefined || path === undefined)
      throw new UsageError(
        `invalid argument ${JSON.stringify(word)} for "--add-runtime" flag: want NAME=/PATH`,
      );
    return [name, path] as const;
  });
  const usual = flags["default-runtime"];
  return {
    ...(runtimes.length === 0 ? {} : { runtimes: Object.fromEntries(runtimes) }),
    ...(usual === undefined ? {} : { defaultRuntime: usual }),
  };
}

/** The TLS flags that were there; those before `serve` hold otherwise. */
function given({ tls, tlsverify, tlscacert, tlscert, tlskey }: TlsFlags): TlsFlags {
  const flags = { tls: tls || undefined, tlsverify: tlsverify || undefined, tlscacert, tlscert, tlskey };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}
