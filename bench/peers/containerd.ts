import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hasProgram } from "../../test/support/needs.ts";
import { exited, must, run, until } from "../../test/support/process.ts";
import { unmountUnder } from "./clean.ts";
import type { StartPeer } from "./peer.ts";

/** containerd of its own, pulled into by `ctr` with the given snapshotter. */
export const startContainerd =
  (snapshotter: "overlayfs" | "erofs"): StartPeer =>
  async (parent) => {
    if (!hasProgram("containerd") || !hasProgram("ctr")) return { absent: "no containerd" };
    const home = join(parent, `containerd-${snapshotter}`);
    mkdirSync(home, { recursive: true });
    const socket = join(home, "sock");
    const config = join(home, "config.toml");
    writeFileSync(
      config,
      `version = 2\nroot = "${home}/root"\nstate = "${home}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "${socket}"\n`,
    );
    const daemon = spawn("containerd", ["-c", config], { stdio: "ignore" });
    const ctr = (args: string[]) => must("ctr", ["-a", socket, ...args], { timeoutMs: 600_000 });
    const stop = async (): Promise<void> => {
      daemon.kill("SIGTERM");
      await exited(daemon);
      await unmountUnder(home);
    };
    await until("containerd answers", async () => (await run("ctr", ["-a", socket, "version"])).code === 0);
    const version = (await must("containerd", ["--version"])).stdout.split(" ").slice(0, 3).join(" ");
    const plugins = (await ctr(["plugins", "ls"])).stdout;
    const line = plugins
      .split("\n")
      .find((text) => text.includes("snapshotter") && text.includes(` ${snapshotter} `));
    if (line === undefined || !/\bok\b/.test(line)) {
      await stop();
      return { absent: `${version.trim()} has no ${snapshotter} snapshotter here` };
    }
    return {
      name: `containerd (${snapshotter})`,
      version,
      environment: {},
      ...(daemon.pid === undefined ? {} : { enginePid: daemon.pid }),
      pull: (reference) => ctr(["image", "pull", "--plain-http", "--snapshotter", snapshotter, reference]),
      forget: async (reference) => {
        await ctr(["image", "rm", "--sync", reference]);
      },
      [Symbol.asyncDispose]: stop,
    };
  };
