import { join } from "node:path";
import { PLY_BINARY, startEngine } from "../../test/support/ply.ts";
import type { StartPeer } from "./peer.ts";

/** ply with a given storage driver ("erofs" is what it chooses here). */
export const startPly =
  (storageDriver: string): StartPeer =>
  async (home) => {
    const engine = await startEngine({ storageDriver, parent: home });
    const version = (await engine.must(["version", "--format", "{{.Server.Version}}"])).stdout.trim();
    return {
      name: storageDriver === "erofs" ? "ply" : `ply (${storageDriver})`,
      version: `ply ${version}`,
      environment: { PLY_HOST: engine.host, HOME: join(home, "ply-home") },
      get enginePid() {
        return engine.pid;
      },
      pull: (reference) => engine.must(["pull", reference]),
      forget: async (reference) => {
        await engine.must(["rmi", "-f", reference]);
      },
      runCommand: (reference, command) => [
        PLY_BINARY,
        "run",
        "--rm",
        "--network",
        "host",
        reference,
        ...command,
      ],
      verbs: [PLY_BINARY],
      listCommand: [PLY_BINARY, "images"],
      [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
    };
  };
