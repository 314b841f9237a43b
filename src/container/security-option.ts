import { PlyError } from "../error.ts";
import type { SeccompProfile, SeccompProfiles } from "../runtime/index.ts";
import type { HostOptions } from "./containers.ts";

export interface Security {
  readonly noNewPrivileges: boolean;
  readonly seccomp: SeccompProfile | null;
  readonly warnings: readonly string[];
}

/** Docker's `--security-opt` forms: `no-new-privileges`, `seccomp=…`; labels are for hosts that have them. */
export async function resolveSecurity(
  host: HostOptions,
  capabilities: readonly string[],
  profiles: SeccompProfiles,
): Promise<Security> {
  let noNewPrivileges = false;
  let profile: string | undefined;
  const warnings: string[] = [];
  for (const option of host.securityOpt) {
    const [, key = "", value] = /^([^:=]*)[:=]?(.*)$/s.exec(option) ?? [];
    if (key === "no-new-privileges") {
      if (value !== "" && value !== "true" && value !== "false") throw wrong(option);
      noNewPrivileges = value !== "false";
    } else if (key === "seccomp" && value) profile = value;
    else if (key === "apparmor" || key === "label") {
      if (value !== "disable" && value !== "unconfined" && value !== "unconfined_t")
        warnings.push(`security option ${key} is not supported yet and has no effect`);
    } else throw wrong(option);
  }
  if (profile === "unconfined" || (profile === undefined && host.privileged))
    return { noNewPrivileges, seccomp: null, warnings };
  if (profile !== undefined && profile !== "builtin" && profile !== "default")
    return { noNewPrivileges, seccomp: profiles.custom(profile, capabilities), warnings };
  const seccomp = await profiles.defaultFor(capabilities);
  if (seccomp === null)
    warnings.push(
      "no seccomp profile was found on this host: the container runs unconfined (install golang-github-containers-common)",
    );
  return { noNewPrivileges, seccomp, warnings };
}

function wrong(option: string): PlyError {
  return new PlyError("invalid", `invalid --security-opt: ${JSON.stringify(option)}`);
}
