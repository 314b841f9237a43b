import type { DockerCommand } from "./docker-cli-help.ts";

/** How ply's engine answers the docker client, where that is not just as Docker does. */

const NO_SWARM = '503 "This node is not a swarm manager", as Docker answers outside a swarm';

/** Groups of commands that are about something an engine of one machine has not. */
export const WHOLE_GROUPS: Readonly<Record<string, string>> = {
  swarm: NO_SWARM,
  node: NO_SWARM,
  service: NO_SWARM,
  stack: NO_SWARM,
  secret: NO_SWARM,
  config: NO_SWARM,
  plugin: "`ls` is empty; volumes, networks and logs have drivers that are built in",
  trust: "the client's own work with a Notary server",
  context: "the client's own work; ply honours contexts as well (`--context`, `DOCKER_CONTEXT`)",
  manifest: "the client's own work with registries",
  checkpoint: "501: ply keeps no checkpoints of processes; experimental in Docker too",
  completion: "the client's own work",
};

const WINDOWS = "of Windows";
const KERNEL = "where the kernel has none, left out with Docker's warning";

/** Flags that do not just work, by command. */
export const FLAGS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  create: {
    "blkio-weight": KERNEL,
    "blkio-weight-device": KERNEL,
    "cpu-count": WINDOWS,
    "cpu-percent": WINDOWS,
    "disable-content-trust": "the client's own",
    gpus: "no GPU driver is selected: Docker's words where the NVIDIA toolkit is missing",
    "io-maxbandwidth": WINDOWS,
    "io-maxiops": WINDOWS,
    "kernel-memory": "without effect, as in Docker since 20.10",
    "oom-kill-disable": "with Docker's warning where there is no memory limit",
    "storage-opt": "left out, with a warning",
  },
  rm: { link: "404: a link is a setting of the container that has it; it goes with `network disconnect`" },
  start: {
    checkpoint: "501: ply keeps no checkpoints of processes",
    "checkpoint-dir": "the same",
  },
  "volume update": { availability: "503: there are no cluster volumes" },
  "volume create": Object.fromEntries(
    [
      "availability",
      "group",
      "limit-bytes",
      "required-bytes",
      "scope",
      "secret",
      "sharing",
      "topology-preferred",
    ]
      .concat("topology-required", "type")
      .map((name) => [name, "of cluster volumes, which need a swarm"]),
  ),
  "network create": {
    ingress: "of a swarm",
    scope: "`swarm` needs one",
  },
  build: {
    "disable-content-trust": "the client's own",
    isolation: WINDOWS,
  },
  pull: { "disable-content-trust": "the client's own" },
  push: { "disable-content-trust": "the client's own" },
};

/** Notes on whole commands. */
const NOTES: Readonly<Record<string, string>> = {
  build:
    "on ply's own builder, which knows all of BuildKit's Dockerfile: as buildx asks for it, where that is installed, or by the classic builder's API",
  search: "Docker Hub, and any registry that has a catalog when it is named in the term",
  "builder prune": "of ply's build cache, with all of BuildKit's filters",
  "system df": "layers count once, however many images share them",
};

/** The page of the commands: what works, what differs and why. `clients` by version, newest first. */
export function compatibilityTable(
  clients: readonly { readonly version: string; readonly commands: readonly DockerCommand[] }[],
): string {
  const names = [...new Set(clients.flatMap(({ commands }) => commands.map(({ name }) => name)))].sort();
  const rows = names.map((name) => {
    const group = name.endsWith(" *") ? name.slice(0, -2) : undefined;
    if (group !== undefined) return `| \`${group} …\` | – | ${WHOLE_GROUPS[group]} |`;
    const flags = new Set(
      clients.flatMap(({ commands }) => commands.find((it) => it.name === name)?.flags ?? []),
    );
    const odd = FLAGS[name === "run" ? "create" : name] ?? {};
    const only = clients.filter(({ commands }) => commands.some((it) => it.name === name));
    const works = [...flags].filter((flag) => !Object.hasOwn(odd, flag)).sort();
    const differs = Object.entries(odd)
      .filter(([flag]) => flags.has(flag))
      .map(([flag, why]) => `\`--${flag}\`: ${why}`);
    const notes = [
      ...(only.length < clients.length ? [`client ${only.map(({ version }) => version).join()} only`] : []),
      ...(NOTES[name] === undefined ? [] : [NOTES[name]]),
      ...differs,
    ];
    return `| \`${name}\` | ${works.map((flag) => `\`--${flag}\``).join(" ") || "(no flags)"} | ${notes.join("; ")} |`;
  });
  return ["| command | flags that work | what differs, and why |", "| --- | --- | --- |", ...rows, ""].join(
    "\n",
  );
}
