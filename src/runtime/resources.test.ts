import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { checkResources } from "./check-resources.ts";
import { ociLimits } from "./oci-limits.ts";
import { type LimitAbilities, NO_LIMITS, parseCpuList } from "./resources.ts";

const ALL: LimitAbilities = {
  memory: true,
  swap: true,
  cpu: true,
  cpuset: true,
  pids: true,
  blkioWeight: true,
  deviceWeights: true,
  deviceRates: true,
  cpuRealtime: true,
  swappiness: true,
  oomKillDisable: true,
  devices: true,
  processors: 4,
};
const NONE: LimitAbilities = {
  memory: false,
  swap: false,
  cpu: false,
  cpuset: false,
  pids: false,
  blkioWeight: false,
  deviceWeights: false,
  deviceRates: false,
  cpuRealtime: false,
  swappiness: false,
  oomKillDisable: false,
  devices: false,
  processors: 4,
};
const MB = 2 ** 20;

describe("limits", () => {
  test("what the host lacks is dropped with a warning each, never silently", () => {
    const given = {
      ...NO_LIMITS,
      memory: 64 * MB,
      memoryReservation: 32 * MB,
      nanoCpus: 1e9,
      cpuShares: 100,
      cpusetCpus: "0",
      pidsLimit: 10,
      blkioWeight: 100,
    };
    assert.deepEqual(checkResources(given, ALL), { resources: given, warnings: [] });
    const { resources, warnings } = checkResources(given, NONE);
    assert.deepEqual(resources, { ...NO_LIMITS, memorySwap: -1 });
    assert.equal(warnings.length, 7);
    for (const warning of warnings) assert.match(warning, /^Your kernel does not support .* discarded\.$/);
  });

  test("rarer limits: dropped alike, checked alike, and as the runtime wants them", () => {
    const device = readdirSync("/dev")
      .map((name) => `/dev/${name}`)
      .find((path) => statSync(path, { throwIfNoEntry: false })?.isBlockDevice());
    assert.ok(device);
    const given = {
      ...NO_LIMITS,
      memory: 64 * MB,
      deviceWeights: [{ path: device, value: 100 }],
      readBps: [{ path: device, value: 1024 }],
      writeIops: [{ path: device, value: 7 }],
      cpuRealtimePeriod: 100_000,
      cpuRealtimeRuntime: 50_000,
      memorySwappiness: 0,
      oomKillDisable: true,
    };
    assert.deepEqual(checkResources(given, ALL), { resources: given, warnings: [] });
    const { memory, cpu, blockIO } = ociLimits(given, { swap: false });
    assert.deepEqual(memory, { limit: 64 * MB, swappiness: 0, disableOOMKiller: true });
    assert.deepEqual(cpu, { realtimePeriod: 100_000, realtimeRuntime: 50_000 });
    assert.deepEqual(Object.keys(blockIO ?? {}), [
      "weightDevice",
      "throttleReadBpsDevice",
      "throttleWriteIOPSDevice",
    ]);
    assert.equal(blockIO?.throttleReadBpsDevice?.[0]?.rate, 1024);
    const { resources, warnings } = checkResources(given, { ...NONE, memory: true, swap: true });
    assert.deepEqual(resources, { ...NO_LIMITS, memory: 64 * MB });
    assert.equal(warnings.length, 6);
    assert.match(warnings.join(), /OomKillDisable discarded.*Block I\/O BPS read limit discarded/);
    for (const path of ["/dev/null", "/nowhere"])
      assert.throws(
        () => ociLimits({ ...NO_LIMITS, readBps: [{ path, value: 1 }] }, { swap: true }),
        (error) => isPlyError(error, "invalid"),
      );
  });

  test("memory without swap accounting is limited all the same", () => {
    const { resources, warnings } = checkResources(
      { ...NO_LIMITS, memory: 64 * MB },
      { ...ALL, swap: false },
    );
    assert.equal(resources.memory, 64 * MB);
    assert.match(warnings[0] ?? "", /Memory limited without swap/);
    assert.deepEqual(ociLimits(resources, { swap: false }), { memory: { limit: 64 * MB } });
  });

  test("contradictions are refused in Docker's words", () => {
    for (const [given, words] of [
      [{ memory: MB }, "Minimum memory limit allowed is 6MB"],
      [{ memorySwap: 64 * MB }, "always set the Memory limit"],
      [{ memory: 64 * MB, memorySwap: 32 * MB }, "should be larger than memory limit"],
      [{ memory: 64 * MB, memoryReservation: 65 * MB }, "less than memory reservation"],
      [{ nanoCpus: 5e9 }, "Range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available"],
      [{ nanoCpus: 1e9, cpuPeriod: 1000 }, "Nano CPUs and CPU Period cannot both be set"],
      [{ cpuPeriod: 10 }, "CPU cfs period"],
      [{ cpuQuota: 10 }, "CPU cfs quota"],
      [{ cpusetCpus: "zero" }, "Invalid value zero for cpuset cpus"],
      [{ blkioWeight: 5 }, "Range of blkio weight is from 10 to 1000"],
      [{ memorySwappiness: 101 }, "valid memory swappiness range is 0-100"],
      [{ cpuRealtimePeriod: 10, cpuRealtimeRuntime: 20 }, "cannot be higher than cpu real-time period"],
      [{ deviceWeights: [{ path: "/dev/x", value: 5 }] }, "invalid weight for device /dev/x"],
    ] as const)
      assert.throws(
        () => checkResources({ ...NO_LIMITS, ...given }, ALL),
        (error) => isPlyError(error, "invalid") && error.message.includes(words),
        words,
      );
  });

  test("as the runtime wants them", () => {
    assert.deepEqual(ociLimits(NO_LIMITS, ALL), {});
    assert.deepEqual(ociLimits({ ...NO_LIMITS, memory: 64 * MB, nanoCpus: 1.5e9, pidsLimit: -1 }, ALL), {
      memory: { limit: 64 * MB, swap: 128 * MB },
      cpu: { quota: 150_000, period: 100_000 },
    });
    assert.deepEqual(ociLimits({ ...NO_LIMITS, memory: 64 * MB, memorySwap: -1 }, ALL).memory, {
      limit: 64 * MB,
      swap: -1,
    });
  });

  test("lists of processors", () => {
    assert.deepEqual([...(parseCpuList("0-2,4\n") ?? [])], [0, 1, 2, 4]);
    for (const bad of ["", "2-1", "a", "0-", "0-99999", "-1"])
      assert.equal(parseCpuList(bad), undefined, bad);
  });
});
