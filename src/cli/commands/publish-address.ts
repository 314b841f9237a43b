import { codeOf } from "../../error.ts";
import { ExitError } from "../failure.ts";

/** Where `-p 8080:80` is reached without more words: from this host alone. */
const SAFE = "127.0.0.1";
/** Docker's default, for whom it was made so: every address, IPv4 and IPv6. */
const EVERYWHERE = "all";
const FILE = "/etc/ply/cli.json";

/**
 * The address that published ports have when none is given: `PLY_PUBLISH_ADDRESS`, else `publishAddress` of
 * `/etc/ply/cli.json`, else 127.0.0.1. "" says every address. Throws ExitError for what is no address.
 */
export function publishAddress(env: Readonly<Record<string, string | undefined>>, file = FILE): string {
  const [wanted, from] =
    env["PLY_PUBLISH_ADDRESS"] === undefined
      ? [fromFile(file), file]
      : [env["PLY_PUBLISH_ADDRESS"], "PLY_PUBLISH_ADDRESS"];
  if (wanted === undefined || wanted === "") return SAFE;
  if (wanted === EVERYWHERE) return "";
  // Not imported: every run would load it, and few publish ports.
  if (process.getBuiltinModule("node:net").isIP(wanted) === 0)
    throw new ExitError(
      125,
      `Error: ${from}: ${JSON.stringify(wanted)} is neither an IP address nor "${EVERYWHERE}"`,
    );
  return wanted;
}

function fromFile(path: string): string | undefined {
  let text: string;
  try {
    text = process.getBuiltinModule("node:fs").readFileSync(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new ExitError(125, `Error: cannot read ${path}: ${error}`);
  }
  try {
    const { publishAddress: address } = JSON.parse(text) as { readonly publishAddress?: unknown };
    return address === undefined ? undefined : String(address);
  } catch {
    throw new ExitError(125, `Error: ${path} is not JSON`);
  }
}
