import type { Command } from "./command.ts";

/** What `ply --help` lists, read without loading a command. */
export interface CatalogueEntry {
  /** All the ways to call it, the usual one first. Two words: a verb of a group. */
  readonly names: readonly [string, ...string[]];
  readonly summary: string;
  readonly section: Section;
  load(): Promise<{ readonly default: Command }>;
}

export type Section = "Containers" | "Images" | "Registries" | "Engine";

export const SECTIONS: readonly Section[] = ["Containers", "Images", "Registries", "Engine"];

/** Groups of verbs. */
export const GROUPS: Readonly<Record<string, string>> = {
  builder: "Manage what builds keep",
  buildx: "As ply builder: there is one builder, which needs no set-up",
  cache: "Manage the directories of RUN --mount=type=cache",
  container: "Manage containers",
  image: "Manage images",
  network: "Manage networks",
  snapshot: "Keep containers and their volumes as they are, to go back to",
  system: "Manage the engine and its store",
  volume: "Manage volumes",
};

export const CATALOGUE: readonly CatalogueEntry[] = [
  {
    names: ["run", "container run"],
    summary: "Create and run a new container from an image",
    section: "Containers",
    load: () => import("./commands/run.ts"),
  },
  {
    names: ["create", "container create"],
    summary: "Create a new container without starting it",
    section: "Containers",
    load: () => import("./commands/create.ts"),
  },
  {
    names: ["start", "container start"],
    summary: "Start stopped containers",
    section: "Containers",
    load: () => import("./commands/start.ts"),
  },
  {
    names: ["attach", "container attach"],
    summary: "Attach standard input, output and error to a running container",
    section: "Containers",
    load: () => import("./commands/attach.ts"),
  },
  {
    names: ["exec", "container exec"],
    summary: "Run one more command in a running container",
    section: "Containers",
    load: () => import("./commands/exec.ts"),
  },
  {
    names: ["top", "container top"],
    summary: "List the processes of a container",
    section: "Containers",
    load: () => import("./commands/top.ts"),
  },
  {
    names: ["ps", "container ls", "container list", "container ps"],
    summary: "List containers",
    section: "Containers",
    load: () => import("./commands/ps.ts"),
  },
  {
    names: ["logs", "container logs"],
    summary: "Show what containers printed, and follow them",
    section: "Containers",
    load: () => import("./commands/logs.ts"),
  },
  {
    names: ["stop", "container stop"],
    summary: "Stop running containers",
    section: "Containers",
    load: () => import("./commands/stop.ts"),
  },
  {
    names: ["restart", "container restart"],
    summary: "Stop containers and start them again",
    section: "Containers",
    load: () => import("./commands/restart.ts"),
  },
  {
    names: ["pause", "container pause"],
    summary: "Freeze all processes of containers",
    section: "Containers",
    load: () => import("./commands/pause.ts"),
  },
  {
    names: ["unpause", "container unpause"],
    summary: "Let frozen containers go on",
    section: "Containers",
    load: () => import("./commands/unpause.ts"),
  },
  {
    names: ["rename", "container rename"],
    summary: "Give a container another name",
    section: "Containers",
    load: () => import("./commands/rename.ts"),
  },
  {
    names: ["update", "container update"],
    summary: "Change the limits and restart policy of containers, running or not",
    section: "Containers",
    load: () => import("./commands/update.ts"),
  },
  {
    names: ["stats", "container stats"],
    summary: "Show what containers use, live",
    section: "Containers",
    load: () => import("./commands/stats.ts"),
  },
  {
    names: ["kill", "container kill"],
    summary: "Send a signal to running containers",
    section: "Containers",
    load: () => import("./commands/kill.ts"),
  },
  {
    names: ["wait", "container wait"],
    summary: "Wait until containers stop, then print their exit codes",
    section: "Containers",
    load: () => import("./commands/wait.ts"),
  },
  {
    names: ["rm", "container rm", "container remove"],
    summary: "Remove containers",
    section: "Containers",
    load: () => import("./commands/rm.ts"),
  },
  {
    names: ["cp", "container cp"],
    summary: "Copy files between containers, images, volumes and this host",
    section: "Containers",
    load: () => import("./commands/cp.ts"),
  },
  {
    names: ["ls"],
    summary: "List files in a container, an image, a volume or on this host",
    section: "Containers",
    load: () => import("./commands/ls.ts"),
  },
  {
    names: ["recreate", "container recreate"],
    summary: "Give a container other settings, with all that it has written",
    section: "Containers",
    load: () => import("./commands/recreate.ts"),
  },
  {
    names: ["snapshot create"],
    summary: "Keep a container and its volumes as they are now",
    section: "Containers",
    load: () => import("./commands/snapshot-create.ts"),
  },
  {
    names: ["snapshot ls", "snapshot list"],
    summary: "List what was kept of containers",
    section: "Containers",
    load: () => import("./commands/snapshot-ls.ts"),
  },
  {
    names: ["snapshot inspect"],
    summary: "Show all that is known about snapshots of a container",
    section: "Containers",
    load: () => import("./commands/snapshot-inspect.ts"),
  },
  {
    names: ["snapshot rm", "snapshot remove"],
    summary: "Remove snapshots of a container",
    section: "Containers",
    load: () => import("./commands/snapshot-rm.ts"),
  },
  {
    names: ["restore"],
    summary: "Make a container and its volumes what they were",
    section: "Containers",
    load: () => import("./commands/restore.ts"),
  },
  {
    names: ["export", "container export"],
    summary: "Write a container's files to a tar archive",
    section: "Containers",
    load: () => import("./commands/export.ts"),
  },
  {
    names: ["port", "container port"],
    summary: "List the published ports of a container",
    section: "Containers",
    load: () => import("./commands/port.ts"),
  },
  {
    names: ["diff", "container diff"],
    summary: "Show what a container changed in its image's files",
    section: "Containers",
    load: () => import("./commands/diff.ts"),
  },
  {
    names: ["commit", "container commit"],
    summary: "Make a new image of a container's changes",
    section: "Containers",
    load: () => import("./commands/commit.ts"),
  },
  {
    names: ["container inspect"],
    summary: "Show all that is known about containers",
    section: "Containers",
    load: () => import("./commands/container-inspect.ts"),
  },
  {
    names: ["build", "image build", "builder build", "buildx build"],
    summary: "Build an image from a Dockerfile",
    section: "Images",
    load: () => import("./commands/build.ts"),
  },
  {
    names: ["builder du", "buildx du"],
    summary: "Show what builds keep, and what it takes",
    section: "Images",
    load: () => import("./commands/builder-du.ts"),
  },
  {
    names: ["builder prune", "buildx prune"],
    summary: "Remove steps of builds that are kept to be used again",
    section: "Images",
    load: () => import("./commands/builder-prune.ts"),
  },
  {
    names: ["cache ls", "cache list"],
    summary: "List what RUN --mount=type=cache keeps between builds",
    section: "Images",
    load: () => import("./commands/cache-ls.ts"),
  },
  {
    names: ["cache inspect"],
    summary: "Show all that is known about cache mounts",
    section: "Images",
    load: () => import("./commands/cache-inspect.ts"),
  },
  {
    names: ["cache export"],
    summary: "Write cache mounts to a tar archive",
    section: "Images",
    load: () => import("./commands/cache-export.ts"),
  },
  {
    names: ["cache import"],
    summary: "Take cache mounts in from a tar archive",
    section: "Images",
    load: () => import("./commands/cache-import.ts"),
  },
  {
    names: ["cache rm", "cache remove"],
    summary: "Remove cache mounts",
    section: "Images",
    load: () => import("./commands/cache-rm.ts"),
  },
  {
    names: ["cache prune"],
    summary: "Remove cache mounts that no build is using",
    section: "Images",
    load: () => import("./commands/cache-prune.ts"),
  },
  {
    names: ["images", "image ls", "image list"],
    summary: "List images",
    section: "Images",
    load: () => import("./commands/images.ts"),
  },
  {
    names: ["pull", "image pull"],
    summary: "Download images from a registry",
    section: "Images",
    load: () => import("./commands/pull.ts"),
  },
  {
    names: ["push", "image push"],
    summary: "Upload an image to a registry",
    section: "Images",
    load: () => import("./commands/push.ts"),
  },
  {
    names: ["inspect"],
    summary: "Show all that is known about images, containers, networks and volumes",
    section: "Images",
    load: () => import("./commands/inspect.ts"),
  },
  {
    names: ["image inspect"],
    summary: "Show all that is known about images",
    section: "Images",
    load: () => import("./commands/image-inspect.ts"),
  },
  {
    names: ["image files", "files"],
    summary: "List an image's files, each with the layer it comes from",
    section: "Images",
    load: () => import("./commands/image-files.ts"),
  },
  {
    names: ["history", "image history"],
    summary: "Show the steps an image was built in, with their sizes",
    section: "Images",
    load: () => import("./commands/history.ts"),
  },
  {
    names: ["tag", "image tag"],
    summary: "Give an image one more name",
    section: "Images",
    load: () => import("./commands/tag.ts"),
  },
  {
    names: ["rmi", "image rm", "image remove"],
    summary: "Remove image names, and images nothing needs any more",
    section: "Images",
    load: () => import("./commands/rmi.ts"),
  },
  {
    names: ["save", "image save"],
    summary: "Write images to a tar archive",
    section: "Images",
    load: () => import("./commands/save.ts"),
  },
  {
    names: ["load", "image load"],
    summary: "Read images from a tar archive",
    section: "Images",
    load: () => import("./commands/load.ts"),
  },
  {
    names: ["import", "image import"],
    summary: "Make an image of a tarball of files",
    section: "Images",
    load: () => import("./commands/import.ts"),
  },
  {
    names: ["container prune"],
    summary: "Remove stopped containers",
    section: "Containers",
    load: () => import("./commands/container-prune.ts"),
  },
  {
    names: ["image prune"],
    summary: "Remove unused images, by age, number or total size",
    section: "Images",
    load: () => import("./commands/image-prune.ts"),
  },
  {
    names: ["volume create"],
    summary: "Make a volume",
    section: "Containers",
    load: () => import("./commands/volume-create.ts"),
  },
  {
    names: ["volume ls", "volume list"],
    summary: "List volumes",
    section: "Containers",
    load: () => import("./commands/volume-ls.ts"),
  },
  {
    names: ["volume inspect"],
    summary: "Show all that is known about volumes",
    section: "Containers",
    load: () => import("./commands/volume-inspect.ts"),
  },
  {
    names: ["volume rm", "volume remove"],
    summary: "Remove volumes and all that is in them",
    section: "Containers",
    load: () => import("./commands/volume-rm.ts"),
  },
  {
    names: ["volume prune"],
    summary: "Remove volumes that no container uses",
    section: "Containers",
    load: () => import("./commands/volume-prune.ts"),
  },
  {
    names: ["network create"],
    summary: "Make a network",
    section: "Containers",
    load: () => import("./commands/network-create.ts"),
  },
  {
    names: ["network ls", "network list"],
    summary: "List networks",
    section: "Containers",
    load: () => import("./commands/network-ls.ts"),
  },
  {
    names: ["network inspect"],
    summary: "Show all that is known about networks",
    section: "Containers",
    load: () => import("./commands/network-inspect.ts"),
  },
  {
    names: ["network connect"],
    summary: "Put a container on one more network",
    section: "Containers",
    load: () => import("./commands/network-connect.ts"),
  },
  {
    names: ["network disconnect"],
    summary: "Take a container off a network",
    section: "Containers",
    load: () => import("./commands/network-disconnect.ts"),
  },
  {
    names: ["network rm", "network remove"],
    summary: "Remove networks",
    section: "Containers",
    load: () => import("./commands/network-rm.ts"),
  },
  {
    names: ["network prune"],
    summary: "Remove networks that no container uses",
    section: "Containers",
    load: () => import("./commands/network-prune.ts"),
  },
  {
    names: ["login"],
    summary: "Log in to a registry",
    section: "Registries",
    load: () => import("./commands/login.ts"),
  },
  {
    names: ["search"],
    summary: "Search Docker Hub or a registry for images",
    section: "Registries",
    load: () => import("./commands/search.ts"),
  },
  {
    names: ["logout"],
    summary: "Log out from a registry",
    section: "Registries",
    load: () => import("./commands/logout.ts"),
  },
  {
    names: ["serve"],
    summary: "Run the engine in the foreground",
    section: "Engine",
    load: () => import("./commands/serve.ts"),
  },
  {
    names: ["info", "system info"],
    summary: "Show what this engine and its host are",
    section: "Engine",
    load: () => import("./commands/info.ts"),
  },
  {
    names: ["version"],
    summary: "Show the versions of the client and the engine",
    section: "Engine",
    load: () => import("./commands/version.ts"),
  },
  {
    names: ["events", "system events"],
    summary: "Follow what happens in the engine",
    section: "Engine",
    load: () => import("./commands/events.ts"),
  },
  {
    names: ["system df"],
    summary: "Show how much disk images, containers and volumes use",
    section: "Engine",
    load: () => import("./commands/system-df.ts"),
  },
  {
    names: ["session"],
    summary: "Run a command, and remove what it made in the engine when it ends",
    section: "Engine",
    load: () => import("./commands/session.ts"),
  },
  {
    names: ["system dial-stdio"],
    summary: "Connect standard input and output with the engine, for ssh:// addresses",
    section: "Engine",
    load: () => import("./commands/system-dial-stdio.ts"),
  },
  {
    names: ["doctor", "system doctor"],
    summary: "Try what this host can do, and say what is missing and how to cure it",
    section: "Engine",
    load: () => import("./commands/doctor.ts"),
  },
  {
    names: ["system check"],
    summary: "Verify the store, and repair it with --repair",
    section: "Engine",
    load: () => import("./commands/system-check.ts"),
  },
  {
    names: ["system prune"],
    summary: "Remove unused data",
    section: "Engine",
    load: () => import("./commands/system-prune.ts"),
  },
  {
    names: ["completion"],
    summary: "Print the completion script for bash, zsh or fish",
    section: "Engine",
    load: () => import("./commands/completion.ts"),
  },
];

/** The command these words begin with, and the words after its name. */
export function findCommand(
  words: readonly string[],
): { readonly entry: CatalogueEntry; readonly name: string; readonly rest: readonly string[] } | undefined {
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(" ");
    if (words.length < length) continue;
    const entry = CATALOGUE.find(({ names }) => names.includes(name));
    if (entry !== undefined) return { entry, name, rest: words.slice(length) };
  }
  return undefined;
}

/** The verbs of a group with the words that call them: `ls`, `inspect`. */
export function verbsOf(group: string): { readonly verb: string; readonly entry: CatalogueEntry }[] {
  const verbs = CATALOGUE.flatMap((entry) => {
    const name = entry.names.find((each) => each.startsWith(`${group} `));
    return name === undefined ? [] : [{ verb: name.slice(group.length + 1), entry }];
  });
  return verbs.sort((a, b) => (a.verb < b.verb ? -1 : 1));
}

/** The words that may come first: commands and groups. */
export function firstWords(): string[] {
  return [
    ...CATALOGUE.flatMap(({ names }) => names.filter((name) => !name.includes(" "))),
    ...Object.keys(GROUPS),
  ];
}
