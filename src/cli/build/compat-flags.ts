import { UsageError } from "../failure.ts";
import type { FlagSpecs, FlagValues } from "../flags.ts";

/** What Podman's and Docker's users write besides: some of it means something here, some is as it is anyway. */
export const COMPAT_FLAGS = {
  arch: { kind: "string", value: "ARCH", help: "What to build for, with --os and --variant (as podman)" },
  builder: { kind: "string", value: "NAME", help: "Accepted for scripts: there is one builder" },
  compress: { kind: "bool", help: "Accepted for scripts: nothing is sent that would need it" },
  "disable-compression": {
    kind: "bool",
    short: "D",
    help: "Accepted for scripts: layers are kept uncompressed",
  },
  "disable-content-trust": { kind: "bool", help: "Accepted for scripts: there is no content trust" },
  env: { kind: "list", value: "NAME[=VALUE]", help: "ENV of every stage's beginning (as podman)" },
  format: {
    kind: "string",
    value: "FORMAT",
    help: "Of --list-context: 'table', 'json', or a Go template; else oci or docker, accepted for scripts",
  },
  from: {
    kind: "string",
    value: "IMAGE",
    help: "In place of the first FROM's image (as podman)",
    complete: "image",
  },
  "http-proxy": { kind: "bool", help: "Pass this shell's proxy variables on to the steps (as podman)" },
  "identity-label": { kind: "bool", help: "Accepted for scripts: there is no such label" },
  ignorefile: { kind: "string", value: "FILE", help: "In place of .dockerignore", complete: "file" },
  isolation: { kind: "string", value: "TYPE", help: "Accepted for scripts: default, oci, rootless" },
  jobs: { kind: "int", value: "N", help: "Accepted for scripts: stages are built side by side" },
  logfile: { kind: "string", value: "FILE", help: "Write the progress there, plain", complete: "file" },
  "omit-history": { kind: "bool", help: "Leave the history out of the image" },
  os: { kind: "string", value: "OS", help: "What to build for, with --arch" },
  retry: { kind: "int", value: "N", help: "Accepted for scripts: what fails for a moment is tried again" },
  "retry-delay": { kind: "string", value: "DURATION", help: "Accepted for scripts" },
  "rewrite-timestamp": {
    kind: "bool",
    help: "Accepted for scripts: SOURCE_DATE_EPOCH always holds for files",
  },
  "skip-unused-stages": {
    kind: "string",
    value: "BOOL",
    bare: "true",
    choices: ["true", "false"],
    help: "false: build stages that nobody needs too",
  },
  "source-date-epoch": { kind: "int", value: "SECONDS", help: "Nothing in the image is younger" },
  unsetenv: { kind: "list", value: "NAME", help: "Leave a variable out of the image's environment" },
  unsetlabel: { kind: "list", value: "KEY", help: "Leave a label of the base image out" },
  variant: { kind: "string", value: "VARIANT", help: "What to build for, with --arch" },
} as const satisfies FlagSpecs;

type CompatFlags = FlagValues<typeof COMPAT_FLAGS>;
type Environment = Readonly<Record<string, string | undefined>>;

/** `--os`, `--arch` and `--variant` as a platform; undefined when none is given. */
export function platformOfParts({ os, arch, variant }: CompatFlags): string | undefined {
  if (os === undefined && arch === undefined && variant === undefined) return undefined;
  if (arch === undefined && variant !== undefined) throw new UsageError("--variant needs --arch");
  return [os, arch, variant].filter((part) => part !== undefined).join("/");
}

/** Fields of the request; what was not given is undefined. Throws UsageError for a format or an isolation there is not. */
export function compatFields(flags: CompatFlags, env: Environment) {
  if (!["oci", "docker"].includes(flags.format ?? "oci"))
    throw new UsageError(
      `invalid argument ${JSON.stringify(flags.format)} for "--format" flag: an image is written as oci or docker; others are for --list-context`,
    );
  const isolation = flags.isolation?.toLowerCase() ?? "";
  if (!["", "default", "oci", "rootless"].includes(isolation))
    throw new UsageError(
      `invalid argument ${JSON.stringify(flags.isolation)} for "--isolation" flag: steps run in containers, there is no other isolation`,
    );
  const pairs = flags.env.flatMap((text) => {
    const equals = text.indexOf("=");
    if (equals >= 0) return [text];
    return env[text] === undefined ? [] : [`${text}=${env[text]}`];
  });
  const given = <Value>(list: readonly Value[]) => (list.length === 0 ? undefined : list);
  return {
    env: given(pairs),
    unsetEnv: given(flags.unsetenv),
    unsetLabels: given(flags.unsetlabel),
    firstBase: flags.from,
    omitHistory: flags["omit-history"] || undefined,
    allStages: flags["skip-unused-stages"] === "false" || undefined,
  };
}

const PROXIES = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

/** Arguments of the build that these flags stand for. */
export function compatArgs(flags: CompatFlags, env: Environment): [name: string, value: string][] {
  const epoch = flags["source-date-epoch"];
  const proxies = flags["http-proxy"] ? PROXIES.flatMap((name) => [name, name.toUpperCase()]) : [];
  return [
    ...(epoch === undefined ? [] : [["SOURCE_DATE_EPOCH", String(epoch)] as [string, string]]),
    ...proxies.flatMap((name): [string, string][] => (env[name] ? [[name, env[name] ?? ""]] : [])),
  ];
}
