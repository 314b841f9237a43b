import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasProgram } from "../../test/support/needs.ts";
import { must } from "../../test/support/process.ts";
import { unmountUnder } from "./clean.ts";
import type { StartPeer } from "./peer.ts";

/** podman with its own storage on overlay; no daemon. */
export const startPodman: StartPeer = async (parent) => {
  if (!hasProgram("podman")) return { absent: "no podman" };
  const home = join(parent, "podman");
  mkdirSync(home, { recursive: true });
  const config = join(home, "containers.conf");
  // The default limits are above this kind of host's hard limits, and there is no systemd.
  writeFileSync(
    config,
    '[containers]\ndefault_ulimits = []\npids_limit = 0\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n',
  );
  const environment = { CONTAINERS_CONF: config, HOME: home };
  const podman = [
    "podman",
    "--root",
    `${home}/root`,
    "--runroot",
    `${home}/run`,
    "--storage-driver",
    "overlay",
  ] as const;
  const [program, ...flags] = podman;
  const version = (await must("podman", ["--version"])).stdout.trim();
  return {
    name: "podman",
    version,
    environment,
    pull: (reference) =>
      must(program, [...flags, "pull", "--tls-verify=false", reference], {
        env: environment,
        timeoutMs: 600_000,
      }),
    forget: async (reference) => {
      await must(program, [...flags, "rmi", "-f", reference], { env: environment });
    },
    runCommand: (reference, command) => [
      ...podman,
      "run",
      "--rm",
      "--ulimit",
      "host",
      "--network",
      "host",
      reference,
      ...command,
    ],
    listCommand: [...podman, "images"],
    async [Symbol.asyncDispose]() {
      await unmountUnder(home);
    },
  };
};
