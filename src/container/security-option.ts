import { PlyError } from "../error.ts";
import {
  type AppArmor,
  type SeccompProfile,
  type SeccompProfiles,
  type SelinuxLabels,
  selinuxLabels,
} from "../runtime/index.ts";
import type { HostOptions } from "./containers.ts";

export interface Security {
  readonly noNewPrivileges: boolean;
  readonly seccomp: SeccompProfile | null;
  readonly apparmor?: string | undefined;
  readonly selinux?: SelinuxLabels | undefined;
  readonly warnings: readonly string[];
}

/** What this host has to confine containers with. */
export interface Confinement {
  readonly seccomp: SeccompProfiles;
  readonly apparmor: AppArmor;
  /** The SELinux policy's text on containers; undefined where the host has no SELinux. */
  readonly selinux: string | undefined;
}

interface Options {
  readonly noNewPrivileges: boolean;
  readonly seccomp: string | undefined;
  readonly apparmor: string | undefined;
  readonly labels: readonly string[];
}

/**
 * Docker's `--security-opt` forms: `no-new-privileges`, `seccomp=…`, `apparmor=…`, `label=…`. What the host lacks is
 * left out, with a warning when it was asked for. `id`: the container's; absent: it is only checked.
 */
export async function resolveSecurity(
  host: HostOptions,
  capabilities: readonly string[],
  { seccomp: profiles, apparmor, selinux }: Confinement,
  id = "",
): Promise<Security> {
  const options = parseOptions(host.securityOpt);
  const warnings: string[] = [];
  const profile = await apparmor.profileFor(options.apparmor, host);
  if (!apparmor.isEnabled && options.apparmor !== undefined && options.apparmor !== "unconfined")
    warnings.push(`AppArmor is not enabled on this host: the profile ${options.apparmor} has no effect`);
  const isLabelled = options.labels.some((label) => label !== "disable");
  if (selinux === undefined && isLabelled)
    warnings.push("SELinux is not enabled on this host: security labels have no effect");
  const labels = selinuxLabels(options.labels, { id, contexts: selinux ?? "" });
  const rest = {
    noNewPrivileges: options.noNewPrivileges,
    ...(profile === undefined ? {} : { apparmor: profile }),
    ...(selinux === undefined || host.privileged ? {} : { selinux: labels }),
    warnings,
  };
  const given = options.seccomp;
  if (given === "unconfined" || (given === undefined && host.privileged)) return { ...rest, seccomp: null };
  if (given !== undefined && given !== "builtin" && given !== "default")
    return { ...rest, seccomp: profiles.custom(given, capabilities) };
  const seccomp = await profiles.defaultFor(capabilities);
  if (seccomp === null)
    warnings.push(
      "no seccomp profile was found on this host: the container runs unconfined (install golang-github-containers-common)",
    );
  return { ...rest, seccomp };
}

function parseOptions(given: readonly string[]): Options {
  let noNewPrivileges = false;
  let seccomp: string | undefined;
  let apparmor: string | undefined;
  const labels: string[] = [];
  for (const option of given) {
    const [, key = "", value] = /^([^:=]*)[:=]?(.*)$/s.exec(option) ?? [];
    if (key === "no-new-privileges") {
      if (value !== "" && value !== "true" && value !== "false") throw wrong(option);
      noNewPrivileges = value !== "false";
    } else if (key === "seccomp" && value) seccomp = value;
    else if (key === "apparmor" && value) apparmor = value;
    else if (key === "label" && value) labels.push(value);
    else throw wrong(option);
  }
  return { noNewPrivileges, seccomp, apparmor, labels };
}

function wrong(option: string): PlyError {
  return new PlyError("invalid", `invalid --security-opt: ${JSON.stringify(option)}`);
}
