import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import { openAppArmor, openSeccompProfiles, profileText } from "../runtime/index.ts";
import type { HostOptions } from "./containers.ts";
import { type Confinement, resolveSecurity } from "./security-option.ts";

const bare: Confinement = {
  seccomp: openSeccompProfiles([]),
  apparmor: openAppArmor(false),
  selinux: undefined,
};
const enforcing: Confinement = {
  ...bare,
  apparmor: {
    isEnabled: true,
    profileFor: async (wanted, { privileged }) => wanted ?? (privileged ? "unconfined" : "ply-default"),
  },
  selinux: 'process = "system_u:system_r:container_t:s0"\nfile = "system_u:object_r:container_file_t:s0"\n',
};
const host = (securityOpt: string[], privileged = false) =>
  ({ securityOpt, privileged }) as unknown as HostOptions;
const resolve = (options: string[], confinement: Confinement, privileged = false) =>
  resolveSecurity(host(["seccomp=unconfined", ...options], privileged), [], confinement, "id");

test("labels and profiles where the host has them", async () => {
  const usual = await resolve([], enforcing);
  assert.equal(usual.apparmor, "ply-default");
  assert.match(usual.selinux?.process ?? "", /^system_u:system_r:container_t:s0:c\d+,c\d+$/);
  const level = usual.selinux?.process.split(":").slice(3).join(":");
  assert.equal(usual.selinux?.mount, `system_u:object_r:container_file_t:${level}`);
  assert.deepEqual(await resolve([], enforcing), usual);
  const chosen = await resolve(["apparmor=mine", "label=type:svirt_t", "label:level:s0:c1,c2"], enforcing);
  assert.equal(chosen.apparmor, "mine");
  assert.equal(chosen.selinux?.process, "system_u:system_r:svirt_t:s0:c1,c2");
  const off = await resolve(["label=disable", "apparmor=unconfined"], enforcing);
  assert.deepEqual([off.apparmor, off.selinux], ["unconfined", undefined]);
  const privileged = await resolve([], enforcing, true);
  assert.deepEqual([privileged.apparmor, privileged.selinux], ["unconfined", undefined]);
});

test("where it has none, what was asked for is said to be without effect", async () => {
  const { apparmor, selinux, warnings } = await resolve(["apparmor=mine", "label=type:t"], bare);
  assert.deepEqual([apparmor, selinux, warnings.length], [undefined, undefined, 2]);
  assert.deepEqual((await resolve(["apparmor=unconfined", "label=disable"], bare)).warnings, []);
  const noProfile = await resolveSecurity(host([]), [], bare);
  assert.equal(noProfile.seccomp, null);
  assert.match(noProfile.warnings.join(), /no seccomp profile was found on this host/);
});

test("options that mean nothing are refused", async () => {
  for (const option of ["label=x", "label=", "apparmor", "no-new-privileges=x", "odd=1"])
    await assert.rejects(resolve([option], bare), (error) => isPlyError(error, "invalid"), option);
});

test("the profile of ours names itself, so that its own processes may signal each other", () => {
  const text = profileText("ply-default");
  assert.match(text, /^profile ply-default flags=\(attach_disconnected,mediate_deleted\) \{$/m);
  assert.match(text, /signal \(send,receive\) peer=ply-default,/);
  assert.match(text, /deny mount,/);
});
