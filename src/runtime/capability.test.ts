import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import { ownCapabilities, resolveCapabilities } from "./capability.ts";
import { clampRlimits } from "./rlimits.ts";

const all = ownCapabilities("CapBnd:\t000001ffffffffff\n");
const none = { add: [], drop: [], privileged: false, available: all };

test("Docker's default, in the kernel's order", () => {
  const { capabilities, warnings } = resolveCapabilities(none);
  assert.equal(capabilities.length, 14);
  assert.deepEqual(capabilities.slice(0, 3), ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"]);
  assert.deepEqual(warnings, []);
});

test("add, drop, ALL and privileged", () => {
  const names = (options: Partial<Parameters<typeof resolveCapabilities>[0]>) =>
    resolveCapabilities({ ...none, ...options }).capabilities;
  assert.deepEqual(names({ drop: ["ALL"] }), []);
  assert.deepEqual(names({ drop: ["all"], add: ["cap_sys_admin", "CHOWN"] }), ["CAP_CHOWN", "CAP_SYS_ADMIN"]);
  assert.equal(names({ add: ["ALL"] }).length, 41);
  assert.equal(names({ add: ["ALL"], drop: ["SYS_ADMIN"] }).includes("CAP_SYS_ADMIN"), false);
  assert.equal(names({ privileged: true, drop: ["ALL"] }).length, 41);
  assert.equal(names({ drop: ["CAP_CHOWN"] }).includes("CAP_CHOWN"), false);
  assert.throws(
    () => names({ add: ["NOPE"] }),
    (error) => isPlyError(error, "invalid"),
  );
});

test("what the host cannot give is left out, with a warning when it was asked for", () => {
  const available = ownCapabilities("Name: x\nCapBnd:\t000001fffeffffff\n");
  assert.equal(available.has("SYS_RESOURCE"), false);
  const privileged = resolveCapabilities({ ...none, available, privileged: true });
  assert.deepEqual([privileged.capabilities.length, privileged.warnings], [40, []]);
  const asked = resolveCapabilities({ ...none, available, add: ["SYS_RESOURCE"] });
  assert.equal(asked.capabilities.includes("CAP_SYS_RESOURCE"), false);
  assert.match(asked.warnings.join(), /CAP_SYS_RESOURCE/);
});

test("limits are lowered to what may be set, and only where they must be", () => {
  const own = new Map([["RLIMIT_NOFILE", { soft: 10, hard: 100 }]]);
  const wanted = [
    { type: "RLIMIT_NOFILE", soft: 500, hard: 1000 },
    { type: "RLIMIT_NPROC", soft: 5, hard: 5 },
  ];
  const lowered = clampRlimits(wanted, own, false);
  assert.deepEqual(lowered.rlimits, [{ type: "RLIMIT_NOFILE", soft: 100, hard: 100 }, wanted[1]]);
  assert.equal(lowered.warnings.length, 1);
  assert.deepEqual(clampRlimits(wanted, own, true), { rlimits: wanted, warnings: [] });
});
