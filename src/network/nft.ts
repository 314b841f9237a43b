import { spawn } from "node:child_process";
import { messageOf, PlyError } from "../error.ts";
import { findNft } from "./probe.ts";

/** Runs a script of nft's (nft(8)), all of it or nothing. Throws "unavailable" with its words. */
export async function runNft(script: string): Promise<void> {
  await nft(["-f", "-"], script);
}

/** What nft prints: `listNft(["chains"])`. */
export const listNft = (what: readonly string[]): Promise<string> => nft(["-a", "list", ...what], "");

function nft(args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (why: string, cause?: unknown) =>
      reject(
        new PlyError("unavailable", `nftables rules cannot be set: ${why}`, {
          cause,
          hint: "networks need nftables: apt-get install nftables",
        }),
      );
    const child = spawn(findNft() ?? "nft", args, { stdio: ["pipe", "pipe", "pipe"] });
    const said = { stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"] as const)
      child[stream].setEncoding("utf8").on("data", (chunk: string) => {
        said[stream] += chunk;
      });
    child.on("error", (error) => failed(messageOf(error), error));
    child.on("close", (code) =>
      code === 0 ? resolve(said.stdout) : failed(said.stderr.split("\n")[0] || `exit code ${code}`),
    );
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}
