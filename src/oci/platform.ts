import { endianness } from "node:os";
import { PlyError } from "../error.ts";
import type { Platform } from "./manifest.ts";

const SYSTEMS: ReadonlySet<string> = new Set([
  "aix",
  "android",
  "darwin",
  "dragonfly",
  "freebsd",
  "illumos",
  "ios",
  "js",
  "linux",
  "netbsd",
  "openbsd",
  "plan9",
  "solaris",
  "wasip1",
  "windows",
]);

const ARCHITECTURES: ReadonlySet<string> = new Set([
  "386",
  "amd64",
  "arm",
  "arm64",
  "loong64",
  "mips",
  "mips64",
  "mips64le",
  "mipsle",
  "ppc64",
  "ppc64le",
  "riscv64",
  "s390x",
  "wasm",
]);

/** Names that uname, Debian and others use, and the spec's name (with variant) for each. */
const ARCHITECTURE_ALIASES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  i386: ["386"],
  i486: ["386"],
  i586: ["386"],
  i686: ["386"],
  x86: ["386"],
  x86_64: ["amd64"],
  "x86-64": ["amd64"],
  aarch64: ["arm64"],
  armhf: ["arm", "v7"],
  armv7l: ["arm", "v7"],
  armel: ["arm", "v6"],
  armv6l: ["arm", "v6"],
  armv5l: ["arm", "v5"],
  ppc64el: ["ppc64le"],
  mips64el: ["mips64le"],
  mipsel: ["mipsle"],
  loongarch64: ["loong64"],
};

/** `os/arch`, `os/arch/variant`, `os(version)/arch`; one part alone is an OS or an architecture. */
const PLATFORM =
  /^([A-Za-z0-9_.-]+)(?:\(([A-Za-z0-9_.-]*)\))?(?:\/([A-Za-z0-9_.-]+))?(?:\/([A-Za-z0-9_.-]+))?$/;

/** Longest specifier read; real ones have some 30 characters. */
const MAX_PLATFORM_LENGTH = 128;

/**
 * Parses `linux/arm64/v8`, `arm64`, `linux`, `aarch64`, `windows(10.0.17763)/amd64`: aliases become the spec's
 * names, a missing part is that of `host`. A variant that is given stays, even a default one: compare with
 * {@link normalizePlatform}. Throws "invalid".
 */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  const match = text.length > MAX_PLATFORM_LENGTH ? null : PLATFORM.exec(text);
  const [, first = "", version, architecture, variant] = match ?? [];
  if (match === null)
    throw new PlyError("invalid", `invalid platform ${JSON.stringify(text.slice(0, MAX_PLATFORM_LENGTH))}`, {
      hint: "a platform looks like linux/amd64 or linux/arm/v7",
    });
  if (architecture !== undefined)
    return platformOf(osName(first), version, ...architectureName(architecture, variant));
  const os = osName(first);
  if (SYSTEMS.has(os)) return platformOf(os, version, host.architecture, host.variant);
  const [alone, impliedVariant] = architectureName(first);
  if (!ARCHITECTURES.has(alone) || version !== undefined)
    throw new PlyError(
      "invalid",
      `invalid platform ${JSON.stringify(text)}: unknown operating system or architecture`,
      { hint: "write both: linux/amd64" },
    );
  return platformOf(host.os, undefined, alone, impliedVariant);
}

/** `linux/arm/v7`; the inverse of {@link parsePlatform} for values it returns. Features are left out. */
export function formatPlatform(platform: Platform): string {
  const version = platform["os.version"];
  const os = version === undefined || version === "" ? platform.os : `${platform.os}(${version})`;
  return [os, platform.architecture, platform.variant].filter((part) => part).join("/");
}

/** One value for each platform: spec names, lower case, no variant where it is the default (arm64/v8, amd64/v1). */
export function normalizePlatform(platform: Platform): Platform {
  const [architecture, variant] = architectureName(platform.architecture, platform.variant);
  const isDefault =
    (architecture === "arm64" && variant === "v8") || (architecture === "amd64" && variant === "v1");
  const { os: _os, architecture: _architecture, variant: _variant, ...rest } = platform;
  return {
    ...rest,
    os: osName(platform.os),
    architecture,
    ...(isDefault || variant === undefined || variant === "" ? {} : { variant }),
  };
}

/** What this machine runs. */
export function hostPlatform(): Platform {
  const os = process.platform === "win32" ? "windows" : process.platform;
  const named: Readonly<Record<string, string>> = {
    x64: "amd64",
    ia32: "386",
    mipsel: "mipsle",
    ppc64: endianness() === "LE" ? "ppc64le" : "ppc64",
  };
  const architecture = named[process.arch] ?? process.arch;
  return architecture === "arm" ? { os, architecture, variant: hostArmVariant() } : { os, architecture };
}

function hostArmVariant(): string {
  const variables: Readonly<Record<string, unknown>> = process.config.variables;
  const version = Number(variables["arm_version"]);
  return version >= 5 && version <= 8 ? `v${version}` : "v7";
}

function platformOf(
  os: string,
  version: string | undefined,
  architecture: string,
  variant?: string,
): Platform {
  return {
    os,
    architecture,
    ...(variant === undefined || variant === "" ? {} : { variant }),
    ...(version === undefined || version === "" ? {} : { "os.version": version }),
  };
}

function osName(text: string): string {
  const os = text.toLowerCase();
  return os === "macos" ? "darwin" : os;
}

function architectureName(text: string, given = ""): [architecture: string, variant?: string] {
  const name = text.toLowerCase();
  const alias = Object.hasOwn(ARCHITECTURE_ALIASES, name) ? ARCHITECTURE_ALIASES[name] : undefined;
  const architecture = alias?.[0] ?? name;
  const lower = given.toLowerCase();
  // `linux/arm/7` is as good as `linux/arm/v7`.
  const variant = /^\d/.test(lower) && /^(arm|arm64|amd64)$/.test(architecture) ? `v${lower}` : lower;
  if (variant !== "") return [architecture, variant];
  // A bare `arm` means v7, as it does for Docker.
  const implied = alias?.[1] ?? (architecture === "arm" ? "v7" : undefined);
  return implied === undefined ? [architecture] : [architecture, implied];
}
