import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../../test/support/process.ts";
import { unmountUnder } from "./clean.ts";
import type { Installation } from "./installation.ts";
import { nameOf, type StartPeer } from "./peer.ts";

/** Below the hard limits of any host; buildah has no word for the host's own. */
const WITHIN_LIMITS = "1024:1024";

/** podman with its own storage on overlay; no daemon. */
export const startPodmanOf =
  (installation: Installation): StartPeer =>
  async (parent) => {
    if (!installation.has("podman")) return { absent: `no podman ${installation.label}` };
    const home = join(parent, `podman${installation.label}`);
    mkdirSync(home, { recursive: true });
    await installation.open(home);
    const config = join(home, "containers.conf");
    // The default limits are above this kind of host's hard limits, and there is no systemd.
    writeFileSync(
      config,
      '[containers]\ndefault_ulimits = []\npids_limit = 0\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n',
    );
    const environment = { CONTAINERS_CONF: config, HOME: home };
    const store = ["--root", `${home}/root`, "--runroot", `${home}/run`, "--storage-driver", "overlay"];
    const podman = (...args: string[]) => installation.argv("podman", [...store, ...args]);
    const call = (...args: string[]) => {
      const [program, ...rest] = podman(...args);
      return must(program, rest, { env: environment, timeoutMs: 600_000 });
    };
    const version = (await call("--version")).stdout.trim();
    return {
      name: nameOf("podman", version.split(" ").at(-1) ?? ""),
      version,
      environment,
      pull: (reference) => call("pull", "--tls-verify=false", reference),
      forget: async (reference) => {
        await call("rmi", "-f", reference);
      },
      runCommand: (reference, command) =>
        podman("run", "--rm", "--ulimit", "host", "--network", "host", reference, ...command),
      verbs: podman(),
      runFlags: ["--ulimit", "host"],
      pushFlags: ["--tls-verify=false"],
      listCommand: podman("images"),
      async [Symbol.asyncDispose]() {
        await unmountUnder(home);
        await installation.close(home);
      },
    };
  };

/** buildah on the storage of a podman of its own, which imports for it. */
export const startBuildahOf =
  (installation: Installation): StartPeer =>
  async (parent) => {
    if (!installation.has("buildah")) return { absent: `no buildah ${installation.label}` };
    const podman = await startPodmanOf(installation)(join(parent, "buildah"));
    if ("absent" in podman) return podman;
    const builder = podman.verbs?.map((word) => (word === "podman" ? "buildah" : word)) ?? [];
    const [program = "buildah", ...args] = builder;
    const version = (await must(program, [...args, "--version"], { env: podman.environment })).stdout.trim();
    return {
      ...podman,
      name: nameOf("buildah", version.split(" ")[2] ?? ""),
      version,
      builder: [program, ...args],
      runFlags: ["nofile", "nproc"].flatMap((limit) => ["--ulimit", `${limit}=${WITHIN_LIMITS}`]),
    };
  };
