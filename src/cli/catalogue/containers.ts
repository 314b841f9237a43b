import type { Verb } from "./verb.ts";

export const CONTAINERS: readonly Verb[] = [
  {
    names: ["run", "container run"],
    summary: "Create and run a new container from an image",
    load: () => import("../commands/run.ts"),
  },
  {
    names: ["create", "container create"],
    summary: "Create a new container without starting it",
    load: () => import("../commands/create.ts"),
  },
  {
    names: ["start", "container start"],
    summary: "Start stopped containers",
    load: () => import("../commands/start.ts"),
  },
  {
    names: ["attach", "container attach"],
    summary: "Attach standard input, output and error to a running container",
    load: () => import("../commands/attach.ts"),
  },
  {
    names: ["exec", "container exec"],
    summary: "Run one more command in a running container",
    load: () => import("../commands/exec.ts"),
  },
  {
    names: ["top", "container top"],
    summary: "List the processes of a container",
    load: () => import("../commands/top.ts"),
  },
  {
    names: ["ps", "container ls", "container list", "container ps"],
    summary: "List containers",
    load: () => import("../commands/ps.ts"),
  },
  {
    names: ["logs", "container logs"],
    summary: "Show what containers printed, and follow them",
    load: () => import("../commands/logs.ts"),
  },
  {
    names: ["stop", "container stop"],
    summary: "Stop running containers",
    load: () => import("../commands/stop.ts"),
  },
  {
    names: ["restart", "container restart"],
    summary: "Stop containers and start them again",
    load: () => import("../commands/restart.ts"),
  },
  {
    names: ["pause", "container pause"],
    summary: "Freeze all processes of containers",
    load: () => import("../commands/pause.ts"),
  },
  {
    names: ["unpause", "container unpause"],
    summary: "Let frozen containers go on",
    load: () => import("../commands/unpause.ts"),
  },
  {
    names: ["rename", "container rename"],
    summary: "Give a container another name",
    load: () => import("../commands/rename.ts"),
  },
  {
    names: ["update", "container update"],
    summary: "Change the limits and restart policy of containers, running or not",
    load: () => import("../commands/update.ts"),
  },
  {
    names: ["stats", "container stats"],
    summary: "Show what containers use, live",
    load: () => import("../commands/stats.ts"),
  },
  {
    names: ["kill", "container kill"],
    summary: "Send a signal to running containers",
    load: () => import("../commands/kill.ts"),
  },
  {
    names: ["wait", "container wait"],
    summary: "Wait until containers stop, then print their exit codes",
    load: () => import("../commands/wait.ts"),
  },
  {
    names: ["rm", "container rm", "container remove"],
    summary: "Remove containers",
    load: () => import("../commands/rm.ts"),
  },
  {
    names: ["cp", "container cp"],
    summary: "Copy files between containers, images, volumes and this host",
    load: () => import("../commands/cp.ts"),
  },
  {
    names: ["ls"],
    summary: "List files in a container, an image, a volume or on this host",
    load: () => import("../commands/ls.ts"),
  },
  {
    names: ["recreate", "container recreate"],
    summary: "Give a container other settings, with all that it has written",
    load: () => import("../commands/recreate.ts"),
  },
  {
    names: ["snapshot create"],
    summary: "Keep a container and its volumes as they are now",
    load: () => import("../commands/snapshot-create.ts"),
  },
  {
    names: ["snapshot ls", "snapshot list"],
    summary: "List what was kept of containers",
    load: () => import("../commands/snapshot-ls.ts"),
  },
  {
    names: ["snapshot inspect"],
    summary: "Show all that is known about snapshots of a container",
    load: () => import("../commands/snapshot-inspect.ts"),
  },
  {
    names: ["snapshot rm", "snapshot remove"],
    summary: "Remove snapshots of a container",
    load: () => import("../commands/snapshot-rm.ts"),
  },
  {
    names: ["restore"],
    summary: "Make a container and its volumes what they were",
    load: () => import("../commands/restore.ts"),
  },
  {
    names: ["export", "container export"],
    summary: "Write a container's files to a tar archive",
    load: () => import("../commands/export.ts"),
  },
  {
    names: ["port", "container port"],
    summary: "List the published ports of a container",
    load: () => import("../commands/port.ts"),
  },
  {
    names: ["diff", "container diff"],
    summary: "Show what a container changed in its image's files",
    load: () => import("../commands/diff.ts"),
  },
  {
    names: ["commit", "container commit"],
    summary: "Make a new image of a container's changes",
    load: () => import("../commands/commit.ts"),
  },
  {
    names: ["container inspect"],
    summary: "Show all that is known about containers",
    load: () => import("../commands/container-inspect.ts"),
  },
  {
    names: ["container prune"],
    summary: "Remove stopped containers",
    load: () => import("../commands/container-prune.ts"),
  },
  {
    names: ["volume create"],
    summary: "Make a volume",
    load: () => import("../commands/volume-create.ts"),
  },
  {
    names: ["volume ls", "volume list"],
    summary: "List volumes",
    load: () => import("../commands/volume-ls.ts"),
  },
  {
    names: ["volume inspect"],
    summary: "Show all that is known about volumes",
    load: () => import("../commands/volume-inspect.ts"),
  },
  {
    names: ["volume rm", "volume remove"],
    summary: "Remove volumes and all that is in them",
    load: () => import("../commands/volume-rm.ts"),
  },
  {
    names: ["volume prune"],
    summary: "Remove volumes that no container uses",
    load: () => import("../commands/volume-prune.ts"),
  },
  {
    names: ["network create"],
    summary: "Make a network",
    load: () => import("../commands/network-create.ts"),
  },
  {
    names: ["network ls", "network list"],
    summary: "List networks",
    load: () => import("../commands/network-ls.ts"),
  },
  {
    names: ["network inspect"],
    summary: "Show all that is known about networks",
    load: () => import("../commands/network-inspect.ts"),
  },
  {
    names: ["network connect"],
    summary: "Put a container on one more network",
    load: () => import("../commands/network-connect.ts"),
  },
  {
    names: ["network disconnect"],
    summary: "Take a container off a network",
    load: () => import("../commands/network-disconnect.ts"),
  },
  {
    names: ["network rm", "network remove"],
    summary: "Remove networks",
    load: () => import("../commands/network-rm.ts"),
  },
  {
    names: ["network prune"],
    summary: "Remove networks that no container uses",
    load: () => import("../commands/network-prune.ts"),
  },
];
