import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { exited, must, run, until } from "../../test/support/process.ts";
import { unmountUnder } from "./clean.ts";
import { type Installation, installed } from "./installation.ts";
import { nameOf, type StartPeer } from "./peer.ts";

const WITHOUT_NETWORKS = [
  "--bridge=none",
  "--iptables=false",
  "--ip6tables=false",
  "--ip-forward=false",
  "--ip-masq=false",
];

/**
 * A dockerd of its own (with its own containerd); no bridge and no firewall rules unless it is given a subnet (`10.230.0.1/16`), for
 * a bridge of its own: two daemons would share `docker0`.
 */
export const startDockerOf =
  (installation: Installation, subnet = ""): StartPeer =>
  async (parent) => {
    if (!installation.has("dockerd")) return { absent: `no dockerd ${installation.label}` };
    const home = join(parent, `docker${installation.label}`);
    mkdirSync(home, { recursive: true });
    await installation.open(home);
    const host = `unix://${home}/docker.sock`;
    const bridge = `docker-${installation.label || "own"}`;
    if (subnet !== "") {
      await must("ip", ["link", "add", bridge, "type", "bridge"]);
      await must("ip", ["address", "add", subnet, "dev", bridge]);
      await must("ip", ["link", "set", bridge, "up"]);
    }
    const [program, ...args] = installation.argv("dockerd", [
      ...[
        "--data-root",
        `${home}/data`,
        "--exec-root",
        `${home}/exec`,
        "--pidfile",
        `${home}/pid`,
        "-H",
        host,
      ],
      ...(subnet === "" ? WITHOUT_NETWORKS : [`--bridge=${bridge}`]),
    ]);
    const daemon = spawn(program, args, { stdio: ["ignore", "ignore", "ignore"] });
    const environment = { DOCKER_HOST: host, DOCKER_CONFIG: join(home, "config") };
    await until(
      "dockerd answers",
      async () => {
        if (daemon.exitCode !== null) throw new Error(`dockerd exited with ${daemon.exitCode}`);
        return (await run("docker", ["version"], { env: environment })).code === 0;
      },
      60_000,
    );
    const version = (
      await must("docker", ["version", "--format", "{{.Server.Version}}"], { env: environment })
    ).stdout.trim();
    return {
      name: nameOf("docker", version),
      version: `dockerd ${version}`,
      environment,
      ...(daemon.pid === undefined ? {} : { enginePid: daemon.pid }),
      pull: (reference) => must("docker", ["pull", reference], { env: environment, timeoutMs: 600_000 }),
      forget: async (reference) => {
        await must("docker", ["rmi", "-f", reference], { env: environment });
      },
      runCommand: (reference, command) => [
        "docker",
        "run",
        "--rm",
        "--network",
        "host",
        reference,
        ...command,
      ],
      verbs: ["docker"],
      listCommand: ["docker", "images"],
      async [Symbol.asyncDispose]() {
        daemon.kill("SIGTERM");
        await exited(daemon);
        await unmountUnder(home);
        await installation.close(home);
      },
    };
  };

export const startDocker = startDockerOf(installed);
