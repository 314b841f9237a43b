import { readFile } from "node:fs/promises";
import { release } from "node:os";
import { messageOf, PlyError } from "../error.ts";

interface SeccompArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: string;
}

/** OCI runtime-spec, config-linux.md#seccomp. */
export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly {
    readonly names: readonly string[];
    readonly action: string;
    readonly errnoRet?: number;
    readonly args?: readonly SeccompArgument[];
  }[];
}

interface Condition {
  readonly caps?: readonly string[];
  readonly arches?: readonly string[];
  readonly minKernel?: string;
}

/** The profile as Docker and Podman ship it: rules that depend on capabilities and architecture. */
interface SourceProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly archMap?: readonly {
    readonly architecture: string;
    readonly subArchitectures?: readonly string[] | null;
  }[];
  readonly syscalls?: readonly {
    readonly names?: readonly string[];
    readonly name?: string;
    readonly action: string;
    readonly errnoRet?: number;
    readonly args?: readonly SeccompArgument[] | null;
    readonly includes?: Condition;
    readonly excludes?: Condition;
  }[];
}

export interface SeccompHost {
  /** `x64`, `arm64`: process.arch. */
  readonly arch: string;
  /** `6.12.1-amd64`: uname -r. */
  readonly kernel: string;
}

const ARCHES: Readonly<Record<string, { readonly seccomp: string; readonly go: string }>> = {
  x64: { seccomp: "SCMP_ARCH_X86_64", go: "amd64" },
  arm64: { seccomp: "SCMP_ARCH_AARCH64", go: "arm64" },
};

/** Where Debian (golang-github-containers-common) and Fedora put the default profile. */
const DEFAULT_PATHS = ["/etc/containers/seccomp.json", "/usr/share/containers/seccomp.json"] as const;
const PROFILE_LIMIT = 4 * 1024 * 1024;

export interface SeccompProfiles {
  /** The default profile for these capabilities; null, with a warning, where the host has none. */
  defaultFor(capabilities: readonly string[]): Promise<SeccompProfile | null>;
  /** A profile given as JSON text. Throws "invalid". */
  custom(text: string, capabilities: readonly string[]): SeccompProfile;
}

/** The default profile is read once, and converted once per set of capabilities. */
export function openSeccompProfiles(
  paths: readonly string[] = DEFAULT_PATHS,
  host: SeccompHost = { arch: process.arch, kernel: release() },
): SeccompProfiles {
  let source: Promise<SourceProfile | null> | undefined;
  const converted = new Map<string, SeccompProfile>();
  const load = async (): Promise<SourceProfile | null> => {
    for (const path of paths) {
      const text = await readFile(path, "utf8").catch(() => undefined);
      if (text !== undefined) return parseProfile(text, path);
    }
    return null;
  };
  return {
    async defaultFor(capabilities) {
      source ??= load();
      const profile = await source;
      if (profile === null) return null;
      const key = capabilities.join(" ");
      const known = converted.get(key) ?? convertSeccomp(profile, capabilities, host);
      converted.set(key, known);
      return known;
    },
    custom: (text, capabilities) =>
      convertSeccomp(parseProfile(text, "the seccomp profile"), capabilities, host),
  };
}

function parseProfile(text: string, where: string): SourceProfile {
  if (text.length > PROFILE_LIMIT)
    throw new PlyError("limit", `${where} is larger than ${PROFILE_LIMIT} bytes`);
  try {
    const parsed: unknown = JSON.parse(text);
    if (
      typeof parsed === "object" &&
      parsed !== null &&
      typeof (parsed as SourceProfile).defaultAction === "string"
    )
      return parsed as SourceProfile;
    throw new Error("it has no defaultAction");
  } catch (error) {
    throw new PlyError("invalid", `${where} is not a seccomp profile: ${messageOf(error)}`, { cause: error });
  }
}

/** Resolves a profile's conditions for one set of capabilities and one host. */
export function convertSeccomp(
  source: SourceProfile,
  capabilities: readonly string[],
  host: SeccompHost,
): SeccompProfile {
  const arch = ARCHES[host.arch];
  const map = source.archMap?.find(({ architecture }) => architecture === arch?.seccomp);
  const architectures =
    map === undefined ? (source.architectures ?? []) : [map.architecture, ...(map.subArchitectures ?? [])];
  const has = (cap: string) => capabilities.includes(cap);
  const isArch = (name: string) => name === arch?.go || name === arch?.seccomp;
  const applies = (includes: Condition = {}, excludes: Condition = {}): boolean =>
    (includes.caps ?? []).every(has) &&
    !(excludes.caps ?? []).some(has) &&
    ((includes.arches ?? []).length === 0 || (includes.arches ?? []).some(isArch)) &&
    !(excludes.arches ?? []).some(isArch) &&
    (includes.minKernel === undefined || isAtLeast(host.kernel, includes.minKernel)) &&
    (excludes.minKernel === undefined || !isAtLeast(host.kernel, excludes.minKernel));
  return {
    defaultAction: source.defaultAction,
    ...(source.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: source.defaultErrnoRet }),
    architectures,
    syscalls: (source.syscalls ?? [])
      .filter(({ includes, excludes }) => applies(includes, excludes))
      .map(({ names, name, action, errnoRet, args }) => ({
        names: names ?? (name === undefined ? [] : [name]),
        action,
        ...(errnoRet === undefined ? {} : { errnoRet }),
        ...(args === undefined || args === null || args.length === 0 ? {} : { args }),
      })),
  };
}

function isAtLeast(kernel: string, wanted: string): boolean {
  const numbers = (version: string) => version.split(/[^0-9]+/).map(Number);
  const [major = 0, minor = 0] = numbers(kernel);
  const [wantedMajor = 0, wantedMinor = 0] = numbers(wanted);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}
