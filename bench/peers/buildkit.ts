import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { dockerOfSid } from "../../test/support/debian.ts";
import { startDockerOf } from "./docker.ts";
import { unpacked } from "./installation.ts";
import type { StartPeer } from "./peer.ts";

/**
 * The BuildKit that is part of a current dockerd, by `docker build` and `docker buildx build`: both are buildx here, and images go into
 * the daemon's own store. Without a bridge `RUN` needs `--network none` or `host`.
 */
export const startBuildKit: StartPeer = async (parent) => {
  const tree = await dockerOfSid();
  const docker = await startDockerOf(unpacked(tree, "buildkit"))(parent);
  if ("absent" in docker) return docker;
  const plugins = join(docker.environment["DOCKER_CONFIG"] ?? parent, "cli-plugins");
  mkdirSync(plugins, { recursive: true });
  symlinkSync(join(tree, "usr/libexec/docker/cli-plugins/docker-buildx"), join(plugins, "docker-buildx"));
  return {
    ...docker,
    name: docker.name.replace("docker", "buildkit of docker"),
    version: `BuildKit of ${docker.version}`,
    environment: { ...docker.environment, DOCKER_BUILDKIT: "1" },
  };
};
