import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../../test/support/process.ts";
import { unmountUnder } from "./clean.ts";
import type { Installation } from "./installation.ts";
import { nameOf, type StartPeer } from "./peer.ts";

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
      listCommand: podman("images"),
      async [Symbol.asyncDispose]() {
        await unmountUnder(home);
        await installation.close(home);
      },
    };
  };
