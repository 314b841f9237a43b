import { PlyError } from "../error.ts";
import { failedWith } from "../linux/index.ts";
import type { SnapshotDriver } from "./driver.ts";
import { erofsDriver } from "./erofs-driver.ts";
import { overlay2Driver } from "./overlay2-driver.ts";
import { dropDeadProbes, probeErofs, probeOverlay2, whyNot } from "./probe.ts";
import { openTrialMemory, type TrialMemory } from "./trial-memory.ts";

export interface ChooseOptions {
  readonly root: string;
  readonly runRoot: string;
  /** "auto": the first that works, best first; else the name of a driver. */
  readonly wanted: string;
  /** The driver this root was used with before: its layers are in that form. */
  readonly previous?: string | undefined;
}

/** One attempt, for `ply info`. `why`: how it works, or what stood in the way. */
export interface Tried {
  readonly name: string;
  readonly ok: boolean;
  readonly why: string;
}

export interface Chosen {
  readonly driver: SnapshotDriver;
  readonly tried: readonly Tried[];
}

const NAMES = ["erofs", "overlay2"] as const;
type Name = (typeof NAMES)[number];

/**
 * Picks a storage driver by real trial mounts in the state directory; one that worked since the machine started is
 * not repeated. Throws "invalid" for an unknown name,
 * "conflict" when the root holds layers in another driver's form, "unsupported" when nothing works, with the reasons.
 */
export async function chooseDriver({ root, runRoot, wanted, previous }: ChooseOptions): Promise<Chosen> {
  const known = previous === undefined ? undefined : nameOf(previous);
  if (wanted !== "auto" && known !== undefined && nameOf(wanted) !== known)
    throw new PlyError("conflict", `${root} was made with the storage driver ${known}, not ${wanted}`, {
      hint: `leave --storage-driver out, or use another --root`,
    });
  const candidates = known !== undefined ? [known] : wanted === "auto" ? NAMES : [nameOf(wanted)];
  const tried: Tried[] = [];
  dropDeadProbes(runRoot);
  const trials: Trials = { root, runRoot, tried, memory: openTrialMemory(root, runRoot) };
  for (const name of candidates) {
    const driver = await (name === "erofs" ? tryErofs : tryOverlay2)(trials);
    if (driver !== undefined) return { driver, tried };
  }
  throw new PlyError(
    "unsupported",
    `no storage driver works in ${root}: ${tried.map((each) => `${each.name}: ${each.why}`).join("; ")}`,
    {
      hint:
        known === undefined
          ? "put --root on ext4, xfs or btrfs and run the engine as root"
          : `this root was made with ${known}; use a kernel that has it, or another --root`,
      details: { tried },
    },
  );
}

/** Tries every way, best first, until one works, whatever this root was made with. Leaves nothing behind. */
export async function tryDrivers(root: string, runRoot: string): Promise<readonly Tried[]> {
  const ways = [
    ["erofs", "file-backed EROFS mounts", () => probeErofs(root, runRoot, "file")],
    ["erofs", "EROFS over loop devices", () => probeErofs(root, runRoot, "loop")],
    ["overlay2", "unpacked directories under overlayfs", () => probeOverlay2(root, runRoot)],
  ] as const;
  const tried: Tried[] = [];
  for (const [name, why, probe] of ways)
    try {
      await probe();
      return [...tried, { name, ok: true, why }];
    } catch (error) {
      tried.push({ name, ok: false, why: whyNot(error) });
    }
  return tried;
}

function nameOf(name: string): Name {
  for (const known of NAMES) if (name === known) return known;
  throw new PlyError("invalid", `no storage driver is called ${JSON.stringify(name)}`, {
    hint: `there are: auto, ${NAMES.join(", ")}`,
  });
}

interface Trials {
  readonly root: string;
  readonly runRoot: string;
  readonly tried: Tried[];
  readonly memory: TrialMemory;
}

async function once({ memory }: Trials, trial: string, probe: () => Promise<void>): Promise<void> {
  if (memory.hasWorked(trial)) return;
  await probe();
  memory.note(trial);
}

async function tryErofs(trials: Trials): Promise<SnapshotDriver | undefined> {
  const { root, runRoot, tried } = trials;
  try {
    await once(trials, "erofs", () => probeErofs(root, runRoot, "file"));
    const driver = erofsDriver({ root, runRoot, mode: "file" });
    tried.push({ name: "erofs", ok: true, why: driver.description });
    return driver;
  } catch (error) {
    tried.push({ name: "erofs", ok: false, why: whyNot(error) });
    if (!failedWith(error, "ENOTBLK")) return undefined;
  }
  try {
    await once(trials, "erofs-loop", () => probeErofs(root, runRoot, "loop"));
    const driver = erofsDriver({ root, runRoot, mode: "loop", because: "ENOTBLK for files" });
    tried.push({ name: "erofs", ok: true, why: driver.description });
    return driver;
  } catch (error) {
    tried.push({ name: "erofs", ok: false, why: `over loop devices: ${whyNot(error)}` });
    return undefined;
  }
}

async function tryOverlay2(trials: Trials): Promise<SnapshotDriver | undefined> {
  const { root, runRoot, tried } = trials;
  try {
    await once(trials, "overlay2", () => probeOverlay2(root, runRoot));
    const before = tried.at(-1);
    const driver = overlay2Driver({ root, runRoot, ...(before && { because: `erofs: ${before.why}` }) });
    tried.push({ name: "overlay2", ok: true, why: driver.description });
    return driver;
  } catch (error) {
    tried.push({ name: "overlay2", ok: false, why: whyNot(error) });
    return undefined;
  }
}
