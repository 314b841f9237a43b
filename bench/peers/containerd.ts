import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exited, must, run, until } from "../../test/support/process.ts";
import { unmountUnder } from "./clean.ts";
import type { Installation } from "./installation.ts";
import { nameOf, type StartPeer } from "./peer.ts";

/** containerd of its own, pulled into by `ctr` with the given snapshotter. */
export const startContainerdOf =
  (installation: Installation, snapshotter: "overlayfs" | "erofs"): StartPeer =>
  async (parent) => {
    if (!installation.has("containerd")) return { absent: `no containerd ${installation.label}` };
    const home = join(parent, `containerd${installation.label}-${snapshotter}`);
    mkdirSync(home, { recursive: true });
    await installation.open(home);
    const socket = join(home, "sock");
    const config = join(home, "config.toml");
    const cri = '"io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"';
    const erofs =
      '[plugins."io.containerd.service.v1.diff-service"]\n  default = ["erofs", "walking"]\n' +
      '[[plugins."io.containerd.transfer.v1.local".unpack_config]]\n' +
      '  platform = "linux"\n  snapshotter = "erofs"\n  differ = "erofs"\n';
    writeFileSync(
      config,
      `version = 2\nroot = "${home}/root"\nstate = "${home}/state"\ndisabled_plugins = [${cri}]\n[grpc]\n  address = "${socket}"\n${snapshotter === "erofs" ? erofs : ""}`,
    );
    const [program, ...args] = installation.argv("containerd", ["-c", config]);
    const daemon = spawn(program, args, { stdio: "ignore" });
    const ctr = (...words: string[]) => {
      const [client, ...rest] = installation.argv("ctr", ["-a", socket, ...words]);
      return run(client, rest, { timeoutMs: 600_000 });
    };
    const stop = async (): Promise<void> => {
      daemon.kill("SIGTERM");
      await exited(daemon);
      await unmountUnder(home);
      await installation.close(home);
    };
    await until("containerd answers", async () => (await ctr("version")).code === 0);
    const [versioned, ...versionArgs] = installation.argv("containerd", ["--version"]);
    const version = (await must(versioned, versionArgs)).stdout.trim().split(/\s+/)[2] ?? "";
    const plugins = (await ctr("plugins", "ls")).stdout;
    const line = plugins
      .split("\n")
      .find((text) => text.includes("snapshotter") && text.includes(` ${snapshotter} `));
    if (line === undefined || !/\bok\b/.test(line)) {
      await stop();
      return { absent: `containerd ${version} has no ${snapshotter} snapshotter here` };
    }
    return {
      name: `${nameOf("containerd", version)} ${snapshotter}`,
      version: `containerd ${version}`,
      environment: {},
      ...(daemon.pid === undefined ? {} : { enginePid: daemon.pid }),
      async pull(reference) {
        const pulled = await ctr("image", "pull", "--plain-http", "--snapshotter", snapshotter, reference);
        if (pulled.code !== 0) throw new Error(`ctr pull: ${pulled.stderr}`);
        return pulled;
      },
      forget: async (reference) => {
        await ctr("image", "rm", "--sync", reference);
      },
      [Symbol.asyncDispose]: stop,
    };
  };
