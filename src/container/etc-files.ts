import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { OciMount } from "../runtime/index.ts";

const LOCALHOST = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/**
 * The files of /etc that say who and where a container is: written into its directory, mounted over the
 * image's. With the host's network they are copies of the host's.
 */
export async function writeEtcFiles(
  dir: string,
  { network, hostname }: { readonly network: "host" | "none"; readonly hostname: string },
): Promise<OciMount[]> {
  const host = (path: string, otherwise: string) => readFile(path, "utf8").catch(() => otherwise);
  const [hosts, resolv] = await Promise.all([
    network === "host" ? host("/etc/hosts", LOCALHOST) : LOCALHOST,
    host("/etc/resolv.conf", ""),
  ]);
  const files = { hostname: `${hostname}\n`, hosts, "resolv.conf": resolv };
  return Promise.all(
    Object.entries(files).map(async ([name, text]) => {
      const source = join(dir, name);
      await writeFile(source, text, { mode: 0o644 });
      return { destination: `/etc/${name}`, type: "bind", source, options: ["rbind", "rprivate"] };
    }),
  );
}
