export { type AppArmor, DEFAULT_APPARMOR_PROFILE, openAppArmor, profileText } from "./apparmor.ts";
export { ownCapabilities, resolveCapabilities } from "./capability.ts";
export { type CgroupLayout, type Cgroups, hierarchyOf, inspectCgroups } from "./cgroup.ts";
export type { NetworkUsage, ResourceUsage } from "./cgroup-stats.ts";
export { checkResources } from "./check-resources.ts";
export { findDevices, listHostDevices } from "./device.ts";
export type * from "./exec.ts";
export { findInit } from "./init.ts";
export { type OciLimits, ociLimits } from "./oci-limits.ts";
export { cgroupPathOf, type OpenRuntimeOptions, openRuntime } from "./open.ts";
export { findProgram } from "./programs.ts";
export { hasQuickMoves } from "./quick-moves.ts";
export {
  type DeviceLimit,
  type LimitAbilities,
  mayLoadPrograms,
  NO_LIMITS,
  type Resources,
} from "./resources.ts";
export { clampRlimits } from "./rlimits.ts";
export { readInRoot, resolveInRoot } from "./root-path.ts";
export type * from "./runtime.ts";
export { openSeccompProfiles, type SeccompProfile, type SeccompProfiles } from "./seccomp.ts";
export { hasSelinux, type SelinuxLabels, selinuxContexts, selinuxLabels } from "./selinux.ts";
export {
  buildSpec,
  DEFAULT_SHM_SIZE,
  type DeviceRule,
  type OciDevice,
  type OciHook,
  type OciMount,
  type OciProcess,
  type OciRlimit,
  type OciSpec,
  type SpecOptions,
} from "./spec.ts";
export { type SubordinateRange, subordinateMap, subordinateRanges } from "./subordinate-ids.ts";
export { runTool as runProgram } from "./tool.ts";
export { type ResolvedUser, resolveGroups, resolveUser } from "./user.ts";
