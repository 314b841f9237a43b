import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { NetworkProbe } from "./networks.ts";

const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;

/** Looks at what this process may do and what is installed; changes nothing. */
export function probeNetworks(): NetworkProbe {
  const problems: string[] = [];
  const effective = BigInt(
    `0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`,
  );
  const may = (capability: bigint) => ((effective >> capability) & 1n) === 1n;
  if (!may(CAP_NET_ADMIN) || !may(CAP_SYS_ADMIN))
    problems.push(
      "this process may not administer networks (CAP_NET_ADMIN, CAP_SYS_ADMIN): containers have the host's network or none",
    );
  if (findNft() === undefined)
    problems.push("nft was not found: containers have the host's network or none (apt-get install nftables)");
  return { works: problems.length === 0, problems };
}

/** The path of nft(8), which is often not in the PATH of others than root. */
export function findNft(): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => join(folder, "nft"))
    .find((path) => existsSync(path));
}
