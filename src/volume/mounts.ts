import { spawn } from "node:child_process";
import { lookup } from "node:dns/promises";
import { existsSync, lstatSync, mkdirSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { messageOf, PlyError } from "../error.ts";
import { parseMountinfo } from "../linux/index.ts";
import { mountOverlay, unmountAll } from "../overlay/index.ts";
import { planMount } from "./local-options.ts";
import type { VolumeRecord } from "./volumes.ts";

/** An NFS server that does not answer keeps mount(2) for minutes. */
const MOUNT_LIMIT_MS = 60_000;

/** Whether something must be mounted at a volume's path before its files are there. */
export function isMounted({ strata, options }: VolumeRecord): boolean {
  return (strata?.length ?? 1) > 1 || Boolean(options?.["device"]);
}

/** The folder that holds all of a volume. */
export function homeOf({ path }: VolumeRecord): string {
  return dirname(path);
}

/** Mounts what the volume's files are. Already there: fine. Throws in Docker's words. */
export async function mountVolume(volume: VolumeRecord): Promise<void> {
  const { path } = volume;
  mkdirSync(path, { recursive: true, mode: 0o755 });
  if (isMountPoint(path)) return;
  if ((volume.strata?.length ?? 1) > 1) await mountStrata(volume);
  else await mountOptions(volume);
}

/** As often as something is mounted there. */
export function unmountVolume({ path }: VolumeRecord): void {
  if (existsSync(path) && isMountPoint(path)) unmountAll(path);
}

async function mountStrata(volume: VolumeRecord): Promise<void> {
  const home = homeOf(volume);
  const [top = "", ...below] = volume.strata ?? [];
  const [upper, work] = [join(home, top), join(home, "work")];
  await rm(work, { recursive: true, force: true });
  for (const directory of [upper, work]) mkdirSync(directory, { recursive: true });
  mountOverlay({
    lowers: below.map((name) => join(home, name)),
    writable: { upper, work },
    target: volume.path,
  });
}

/** mount(8) does it, in a process of its own, as a server may take its time; without its helpers, as Docker has it. */
async function mountOptions({ name, path, options = {} }: VolumeRecord): Promise<void> {
  const o = options["o"] ?? "";
  const isBind = /(^|,)r?bind(,|$)/.test(o);
  const how = isBind ? ", flags: 0x1000" : o === "" ? "" : `, data: ${o}`;
  const refused = (why: string, cause?: unknown) =>
    new PlyError(
      "invalid",
      `error while mounting volume '${path}': failed to mount local volume: mount ${options["device"]}:${path}${how}: ${why}`,
      { cause, hint: `see ply volume inspect ${name}` },
    );
  const plan = await planMount(options, async (host) => (await lookup(host)).address).catch((error) => {
    throw refused(messageOf(error), error);
  });
  if (plan === undefined) return;
  const words = plan.options.length === 0 ? [] : ["-o", plan.options.join(",")];
  const type = plan.type === "" ? [] : ["-t", plan.type];
  if (isBind && lstatSync(plan.device, { throwIfNoEntry: false }) === undefined)
    throw refused("no such file or directory");
  const { code, said } = await runMount(["-i", ...type, ...words, "--", plan.device, path]);
  if (code !== 0) throw refused(said.replace(/^mount: (\S+: )?/, "").replace(/\.?\s*(dmesg\(1\).*)?$/s, ""));
}

function runMount(args: readonly string[]): Promise<{ code: number | null; said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("mount", args, {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, LC_ALL: "C" },
      timeout: MOUNT_LIMIT_MS,
    });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(0, 2000);
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, said: said || "it took too long" }));
  });
}

/** Told by the table of mounts: a bind of a directory nearby is on the same device. */
function isMountPoint(path: string): boolean {
  const real = realpathSync(path);
  return parseMountinfo().some(({ target }) => target === real);
}
