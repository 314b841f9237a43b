import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { dockerOfSid } from "./debian.ts";

/** A `DOCKER_CONFIG` in which docker's client has its plugin buildx, in a new directory below `parent`. */
export async function buildxConfig(
  parent: string,
  config: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const directory = mkdtempSync(join(parent, "docker-"));
  const plugins = join(directory, "cli-plugins");
  mkdirSync(plugins);
  const plugin = "usr/libexec/docker/cli-plugins/docker-buildx";
  symlinkSync(resolve(await dockerOfSid(), plugin), join(plugins, "docker-buildx"));
  writeFileSync(join(directory, "config.json"), JSON.stringify(config));
  return directory;
}
