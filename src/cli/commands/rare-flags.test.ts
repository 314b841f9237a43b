import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../failure.ts";
import { parseGpus, RARE_FLAGS, rareFlagsHostConfig } from "./rare-flags.ts";

const NONE = Object.fromEntries(
  Object.entries({ ...RARE_FLAGS, device: { kind: "list" } }).map(([name, { kind }]) => [
    name,
    kind === "list" ? [] : kind === "bool" ? false : undefined,
  ]),
) as unknown as Parameters<typeof rareFlagsHostConfig>[0];

test("limits of devices, in Docker's forms", () => {
  assert.deepEqual(rareFlagsHostConfig(NONE), {});
  assert.deepEqual(
    rareFlagsHostConfig({
      ...NONE,
      "blkio-weight-device": ["/dev/sda:100"],
      "device-read-bps": ["/dev/sda:1mb", "/dev/sdb:512"],
      "device-write-iops": ["/dev/sda:7"],
      "memory-swappiness": 0,
      "oom-kill-disable": true,
      runtime: "runc",
    }),
    {
      BlkioWeightDevice: [{ Path: "/dev/sda", Weight: 100 }],
      BlkioDeviceReadBps: [
        { Path: "/dev/sda", Rate: 2 ** 20 },
        { Path: "/dev/sdb", Rate: 512 },
      ],
      BlkioDeviceWriteIOps: [{ Path: "/dev/sda", Rate: 7 }],
      MemorySwappiness: 0,
      OomKillDisable: true,
      Runtime: "runc",
    },
  );
  const refused = [
    [{ "blkio-weight-device": ["/dev/sda"] }, /^bad format: /],
    [{ "blkio-weight-device": ["/dev/sda:5"] }, /^invalid weight for device/],
    [{ "device-read-bps": ["sda:1"] }, /^bad format for device path/],
    [{ "device-read-bps": ["/dev/sda:-1"] }, /^invalid rate for device: \/dev\/sda:-1\. The correct format/],
    [{ "device-write-iops": ["/dev/sda:1mb"] }, /^invalid rate for device/],
  ] as const;
  for (const [flags, words] of refused)
    assert.throws(
      () => rareFlagsHostConfig({ ...NONE, ...flags }),
      (error) => error instanceof UsageError && words.test(error.message),
    );
});

test("gpus", () => {
  const none = { Driver: "", Count: 0, DeviceIDs: [], Capabilities: [["gpu"]], Options: {} };
  assert.deepEqual(parseGpus("all"), { ...none, Count: -1 });
  assert.deepEqual(parseGpus("2"), { ...none, Count: 2 });
  assert.deepEqual(parseGpus('"device=0,1"'), { ...none, DeviceIDs: ["0", "1"] });
  assert.deepEqual(parseGpus('driver=nvidia,"capabilities=compute,utility"'), {
    ...none,
    Driver: "nvidia",
    Count: 1,
    Capabilities: [["gpu", "compute", "utility"]],
  });
  for (const bad of ["some", "count=x", "size=1"]) assert.throws(() => parseGpus(bad), UsageError);
});
