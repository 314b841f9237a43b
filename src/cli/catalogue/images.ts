import type { Verb } from "./verb.ts";

export const IMAGES: readonly Verb[] = [
  {
    names: ["build", "image build", "builder build", "buildx build"],
    summary: "Build an image from a Dockerfile",
    load: () => import("../commands/build.ts"),
  },
  {
    names: ["builder du", "buildx du"],
    summary: "Show what builds keep, and what it takes",
    load: () => import("../commands/builder-du.ts"),
  },
  {
    names: ["builder prune", "buildx prune"],
    summary: "Remove steps of builds that are kept to be used again",
    load: () => import("../commands/builder-prune.ts"),
  },
  {
    names: ["cache ls", "cache list"],
    summary: "List what RUN --mount=type=cache keeps between builds",
    load: () => import("../commands/cache-ls.ts"),
  },
  {
    names: ["cache inspect"],
    summary: "Show all that is known about cache mounts",
    load: () => import("../commands/cache-inspect.ts"),
  },
  {
    names: ["cache export"],
    summary: "Write cache mounts to a tar archive",
    load: () => import("../commands/cache-export.ts"),
  },
  {
    names: ["cache import"],
    summary: "Take cache mounts in from a tar archive",
    load: () => import("../commands/cache-import.ts"),
  },
  {
    names: ["cache rm", "cache remove"],
    summary: "Remove cache mounts",
    load: () => import("../commands/cache-rm.ts"),
  },
  {
    names: ["cache prune"],
    summary: "Remove cache mounts that no build is using",
    load: () => import("../commands/cache-prune.ts"),
  },
  {
    names: ["images", "image ls", "image list"],
    summary: "List images",
    load: () => import("../commands/images.ts"),
  },
  {
    names: ["pull", "image pull"],
    summary: "Download images from a registry",
    load: () => import("../commands/pull.ts"),
  },
  {
    names: ["push", "image push"],
    summary: "Upload an image to a registry",
    load: () => import("../commands/push.ts"),
  },
  {
    names: ["inspect"],
    summary: "Show all that is known about images, containers, networks and volumes",
    load: () => import("../commands/inspect.ts"),
  },
  {
    names: ["image inspect"],
    summary: "Show all that is known about images",
    load: () => import("../commands/image-inspect.ts"),
  },
  {
    names: ["image files", "files"],
    summary: "List an image's files, each with the layer it comes from",
    load: () => import("../commands/image-files.ts"),
  },
  {
    names: ["history", "image history"],
    summary: "Show the steps an image was built in, with their sizes",
    load: () => import("../commands/history.ts"),
  },
  {
    names: ["tag", "image tag"],
    summary: "Give an image one more name",
    load: () => import("../commands/tag.ts"),
  },
  {
    names: ["rmi", "image rm", "image remove"],
    summary: "Remove image names, and images nothing needs any more",
    load: () => import("../commands/rmi.ts"),
  },
  {
    names: ["save", "image save"],
    summary: "Write images to a tar archive",
    load: () => import("../commands/save.ts"),
  },
  {
    names: ["load", "image load"],
    summary: "Read images from a tar archive",
    load: () => import("../commands/load.ts"),
  },
  {
    names: ["import", "image import"],
    summary: "Make an image of a tarball of files",
    load: () => import("../commands/import.ts"),
  },
  {
    names: ["image prune"],
    summary: "Remove unused images, by age, number or total size",
    load: () => import("../commands/image-prune.ts"),
  },
];
