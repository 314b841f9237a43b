import { PlyError } from "../error.ts";

/** Options of the `local` driver: what is mounted where the volume's files are to be, as mount(8) has it. */
export type LocalOptions = Readonly<Record<string, string>>;

/** Each option with those that it needs beside it. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  type: ["device"],
  device: ["type"],
  o: ["type", "device"],
  size: [],
};

/** Throws "invalid" in Docker's words. */
export function checkLocalOptions(name: string, options: LocalOptions): void {
  const wrong = (why: string) => new PlyError("invalid", `create ${name}: ${why}`);
  for (const option of Object.keys(options))
    if (!Object.hasOwn(KNOWN, option)) throw wrong(`invalid option: ${JSON.stringify(option)}`);
  for (const option of Object.keys(options))
    for (const needed of KNOWN[option] ?? [])
      if (!options[needed]) throw wrong(`missing required option: ${JSON.stringify(needed)}`);
  if (options["size"] !== undefined)
    throw new PlyError("invalid", `create ${name}: quota size requested but no quota support`, {
      hint: "--opt type=tmpfs --opt device=tmpfs --opt o=size=100m limits a volume in memory",
    });
}

export interface MountPlan {
  readonly type: string;
  readonly device: string;
  /** As mount(8) takes them after `-o`. */
  readonly options: readonly string[];
}

const NFS = new Set(["nfs", "nfs4"]);

/**
 * What is to be mounted; undefined for a volume that is a directory of its own. Names of NFS servers are looked up, as the
 * kernel wants an address.
 */
export async function planMount(
  options: LocalOptions,
  lookUp: (host: string) => Promise<string>,
): Promise<MountPlan | undefined> {
  const { type = "", device = "", o = "" } = options;
  if (device === "") return undefined;
  const words = o.split(",").filter((word) => word !== "");
  if (!NFS.has(type)) return { type, device, options: words };
  const addressed = words.find((word) => word.startsWith("addr="));
  const host = addressed?.slice("addr=".length) ?? /^(\[[^\]]+\]|[^/:]+):/.exec(device)?.[1] ?? "";
  if (host === "") return { type, device, options: words };
  const address = await lookUp(host.replace(/^\[|\]$/g, ""));
  return { type, device, options: [...words.filter((word) => word !== addressed), `addr=${address}`] };
}
