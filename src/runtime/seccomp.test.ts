import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import { convertSeccomp, openSeccompProfiles } from "./seccomp.ts";
import { COMPILED_FILTER, openSeccompCache } from "./seccomp-cache.ts";
import type { OciSpec } from "./spec.ts";

const source = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: 38,
  archMap: [
    { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
    { architecture: "SCMP_ARCH_AARCH64", subArchitectures: null },
  ],
  syscalls: [
    { names: ["read"], action: "SCMP_ACT_ALLOW", args: [], includes: {}, excludes: {} },
    { names: ["mount"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_ADMIN"] } },
    { names: ["mount"], action: "SCMP_ACT_ERRNO", errnoRet: 1, excludes: { caps: ["CAP_SYS_ADMIN"] } },
    { names: ["arch_prctl"], action: "SCMP_ACT_ALLOW", includes: { arches: ["amd64", "x32"] } },
    { names: ["not_here"], action: "SCMP_ACT_ALLOW", excludes: { arches: ["amd64"] } },
    { names: ["newer"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "6.20" } },
    { names: ["older"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "4.8" } },
    { name: "clone", action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ" }] },
  ],
};
const host = { arch: "x64", kernel: "6.12.3-amd64" };

test("conditions on capabilities, architecture and kernel are resolved", () => {
  const profile = convertSeccomp(source, ["CAP_CHOWN"], host);
  assert.deepEqual(profile, {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 38,
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    syscalls: [
      { names: ["read"], action: "SCMP_ACT_ALLOW" },
      { names: ["mount"], action: "SCMP_ACT_ERRNO", errnoRet: 1 },
      { names: ["arch_prctl"], action: "SCMP_ACT_ALLOW" },
      { names: ["older"], action: "SCMP_ACT_ALLOW" },
      { names: ["clone"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ" }] },
    ],
  });
  const admin = convertSeccomp(source, ["CAP_SYS_ADMIN"], { ...host, arch: "arm64" });
  assert.deepEqual(admin.architectures, ["SCMP_ARCH_AARCH64"]);
  assert.deepEqual(
    admin.syscalls.map(({ names, action }) => `${names} ${action.slice(9)}`),
    ["read ALLOW", "mount ALLOW", "not_here ALLOW", "older ALLOW", "clone ALLOW"],
  );
});

test("the default profile is converted once per set of capabilities; nonsense is refused", async () => {
  const dir = await mkdtemp(join(tmpdir(), "ply-seccomp-"));
  try {
    const path = join(dir, "seccomp.json");
    await writeFile(path, JSON.stringify(source));
    const profiles = openSeccompProfiles([join(dir, "absent"), path], host);
    const one = await profiles.defaultFor(["CAP_CHOWN"]);
    assert.equal(await profiles.defaultFor(["CAP_CHOWN"]), one);
    assert.notEqual(await profiles.defaultFor(["CAP_SYS_ADMIN"]), one);
    assert.equal(await openSeccompProfiles([join(dir, "absent")], host).defaultFor([]), null);
    for (const text of ["", "[]", "{}", '{"defaultAction": 3}', "null"])
      assert.throws(
        () => profiles.custom(text, []),
        (error) => isPlyError(error, "invalid"),
      );
    assert.equal(profiles.custom(JSON.stringify(source), []).defaultAction, "SCMP_ACT_ERRNO");
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("a compiled filter is learnt, applied, kept for the next engine, and told apart by version", async () => {
  const dir = await mkdtemp(join(tmpdir(), "ply-filter-"));
  try {
    const state = join(dir, "state");
    await mkdir(state);
    const seccomp = convertSeccomp(source, [], host);
    const spec = { linux: { seccomp } } as unknown as OciSpec;
    const cache = openSeccompCache(join(dir, "cache"), "1.8");
    assert.equal(await cache.apply(spec), spec);
    await cache.learn(spec, join(dir, "absent"));
    await writeFile(join(state, COMPILED_FILTER), "not a whole instruction");
    await cache.learn(spec, state);
    assert.equal(await cache.apply(spec), spec);
    await writeFile(join(state, COMPILED_FILTER), "12345678");
    await cache.learn(spec, state);
    const annotations = { "run.oci.seccomp_bpf_data": Buffer.from("12345678").toString("base64") };
    assert.deepEqual(await cache.apply(spec), { ...spec, annotations });
    assert.deepEqual(await openSeccompCache(join(dir, "cache"), "1.8").apply(spec), { ...spec, annotations });
    assert.equal(await openSeccompCache(join(dir, "cache"), "1.9").apply(spec), spec);
    assert.equal((await readdir(join(dir, "cache"))).length, 1);
    const none = { linux: {} } as unknown as OciSpec;
    assert.equal(await cache.apply(none), none);
    assert.ok(existsSync(join(dir, "cache")));
  } finally {
    await rm(dir, { recursive: true });
  }
});
