import { PlyError } from "../error.ts";
import type { Descriptor, Index, Platform } from "./manifest.ts";
import { formatPlatform, normalizePlatform } from "./platform.ts";

/** BuildKit's marks on provenance and SBOM manifests, which are no images. */
const REFERENCE_TYPE = "vnd.docker.reference.type";
/** Platforms named in an error before it says "and more". */
const MAX_OFFERS_SHOWN = 24;

/**
 * The descriptor in an index that fits the platform best: its own variant first, then what it can also run
 * (arm/v7 takes v6 and v5, arm64 takes 32-bit arm, amd64 takes lower levels and 386). The first of equals
 * wins; attestations are passed over. An entry without a platform is taken only if nothing else fits: the
 * caller checks its config. Throws "not-found", saying what the index offers.
 */
export function selectManifest(index: Index, platform: Platform): Descriptor {
  const wishes = acceptedPlatforms(platform);
  const candidates = index.manifests.filter((descriptor) => !isAttestation(descriptor));
  let best: { descriptor: Descriptor; rank: number } | undefined;
  for (const descriptor of candidates) {
    if (descriptor.platform === undefined) continue;
    const offered = normalizePlatform(descriptor.platform);
    const rank = wishes.findIndex((wish) => isSame(wish, offered));
    if (rank >= 0 && (best === undefined || rank < best.rank)) best = { descriptor, rank };
  }
  const chosen = best?.descriptor ?? candidates.find((descriptor) => descriptor.platform === undefined);
  if (chosen !== undefined) return chosen;
  const offers = offeredPlatforms(index).map(formatPlatform);
  const shown = offers.slice(0, MAX_OFFERS_SHOWN).join(", ");
  const more = offers.length > MAX_OFFERS_SHOWN ? ` and ${offers.length - MAX_OFFERS_SHOWN} more` : "";
  throw new PlyError(
    "not-found",
    `no matching manifest for ${formatPlatform(platform)} in the manifest list entries: ${
      offers.length === 0 ? "it offers none" : `offers ${shown}${more}`
    }`,
    { details: { platform: formatPlatform(platform), offers: offers.slice(0, MAX_OFFERS_SHOWN) } },
  );
}

/** The platforms an index has images for, in its order, without duplicates and attestations. */
export function offeredPlatforms(index: Index): Platform[] {
  const byName = new Map<string, Platform>();
  for (const descriptor of index.manifests)
    if (descriptor.platform !== undefined && !isAttestation(descriptor)) {
      const name = formatPlatform(descriptor.platform);
      if (!byName.has(name)) byName.set(name, descriptor.platform);
    }
  return [...byName.values()];
}

/** True for manifests that are about an image (provenance, SBOM), not images. */
export function isAttestation(descriptor: Descriptor): boolean {
  const { platform, annotations } = descriptor;
  return (
    (platform?.os === "unknown" && platform.architecture === "unknown") ||
    annotations?.[REFERENCE_TYPE] === "attestation-manifest"
  );
}

/** What a machine of this platform can run, best first; each normalized. */
export function acceptedPlatforms(platform: Platform): Platform[] {
  const wanted = normalizePlatform(platform);
  const { architecture, variant } = wanted;
  const also: [architecture: string, variant?: string | undefined][] = [[architecture, variant]];
  if (architecture === "amd64") {
    for (let level = levelOf(variant, 1) - 1; level >= 2; level--) also.push(["amd64", `v${level}`]);
    also.push(["amd64"], ["386"]);
  } else if (architecture === "arm64") {
    also.push(...lowerArm64(variant), ["arm64"]);
    for (const level of [8, 7, 6, 5]) also.push(["arm", `v${level}`]);
  } else if (architecture === "arm") {
    for (let level = levelOf(variant, 7) - 1; level >= 5; level--) also.push(["arm", `v${level}`]);
  }
  return also.map(([name, level]) => {
    const { variant: _variant, ...rest } = wanted;
    return { ...rest, architecture: name, ...(level === undefined ? {} : { variant: level }) };
  });
}

/** `v7` → 7. Bounded: a level is one digit. */
function levelOf(variant: string | undefined, otherwise: number): number {
  const match = /^v([1-9])$/.exec(variant ?? "");
  return match === null ? otherwise : Number(match[1]);
}

/** Armv9.n includes armv8.(n+5); each includes the lower minors of its own. */
function lowerArm64(variant: string | undefined): [string, string][] {
  const match = /^v([89])(?:\.(\d))?$/.exec(variant ?? "");
  if (match === null) return [];
  const major = Number(match[1]);
  const minor = Number(match[2] ?? 0);
  const variants: [string, string][] = [];
  const down = (version: number, from: number): void => {
    for (let n = from; n >= 0; n--) variants.push(["arm64", n === 0 ? `v${version}` : `v${version}.${n}`]);
  };
  down(major, minor);
  if (major === 9) down(8, Math.min(minor + 5, 9));
  return variants;
}

function isSame(wish: Platform, offered: Platform): boolean {
  return (
    wish.os === offered.os &&
    wish.architecture === offered.architecture &&
    (wish.variant ?? "") === (offered.variant ?? "") &&
    fitsOsVersion(wish, offered)
  );
}

/** Windows containers need the host's build (10.0.17763); a platform that names no version takes any. */
function fitsOsVersion(wish: Platform, offered: Platform): boolean {
  const wanted = wish["os.version"];
  const given = offered["os.version"];
  if (!wanted || !given || wish.os !== "windows") return true;
  const build = (version: string): string => version.split(".").slice(0, 3).join(".");
  return build(wanted) === build(given);
}
