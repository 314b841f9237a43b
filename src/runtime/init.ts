import { constants } from "node:fs";
import { access } from "node:fs/promises";

/** Static programs first: the image's libc is not the host's. */
const PLACES = [
  "/usr/bin/docker-init",
  "/usr/libexec/docker/docker-init",
  "/usr/local/bin/docker-init",
  "/usr/bin/catatonit",
  "/usr/libexec/podman/catatonit",
  "/usr/local/bin/catatonit",
  "/usr/bin/tini-static",
  "/usr/sbin/tini-static",
  "/usr/local/bin/tini-static",
] as const;

/** A first process that reaps children and passes signals on, for `--init`; undefined when the host has none. */
export async function findInit(places: readonly string[] = PLACES): Promise<string | undefined> {
  for (const place of places)
    if (
      await access(place, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return place;
  return undefined;
}
