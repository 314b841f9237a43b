import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { UsageError } from "../failure.ts";
import { parseFlags } from "../flags.ts";
import { HOST_FLAGS, hostFlagsConfig, hostFlagsHostConfig, parseDevice, parseUlimit } from "./host-flags.ts";
import { memoryBytes } from "./memory-size.ts";
import { parseMountFlag } from "./mount-flag.ts";

type Flags = Parameters<typeof hostFlagsHostConfig>[0];
const flagsOf = (...words: string[]) => parseFlags(HOST_FLAGS, words).values as Flags;
const refused = (run: () => unknown, what: string) =>
  assert.throws(run, (error) => error instanceof UsageError, what);

test("a size of memory that is none is told with its flag", () => {
  assert.equal(memoryBytes("memory", "64m"), 2 ** 26);
  assert.equal(memoryBytes("memory", undefined), undefined);
  assert.throws(() => memoryBytes("memory", "lots"), {
    message: `invalid argument "lots" for "--memory" flag: invalid size: 'lots'`,
  });
});

test("--mount: Docker's keys, quoted fields, what does not fit together", () => {
  assert.deepEqual(
    parseMountFlag('type=bind,"src=/a,b",dst=/t,ro,bind-propagation=rslave,bind-recursive=disabled'),
    {
      Type: "bind",
      Source: "/a,b",
      Target: "/t",
      ReadOnly: true,
      BindOptions: { Propagation: "rslave", NonRecursive: true },
    },
  );
  assert.deepEqual(
    parseMountFlag("source=v,target=/t,readonly=false,volume-nocopy,volume-label=a=b=c,volume-subpath=x"),
    {
      Type: "volume",
      Source: "v",
      Target: "/t",
      VolumeOptions: { NoCopy: true, Subpath: "x", Labels: { a: "b=c" } },
    },
  );
  assert.deepEqual(parseMountFlag("type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=1770"), {
    Type: "tmpfs",
    Target: "/t",
    TmpfsOptions: { SizeBytes: 2 ** 20, Mode: 0o1770 },
  });
  assert.equal(parseMountFlag("type=bind,src=./x,dst=/t").Source, resolve("x"));
  for (const bad of [
    "",
    "type=bind",
    "dst=/t,what=1",
    "dst",
    "dst=/t,ro=maybe",
    "dst=/t,tmpfs-size=1m",
    "type=tmpfs,dst=/t,tmpfs-mode=9",
    'type=bind,"src=/a,dst=/t',
    'type=bind,src="/a",dst=/t',
  ])
    refused(() => parseMountFlag(bad), bad);
});

test("--ulimit and --device", () => {
  assert.deepEqual(parseUlimit("nofile=10"), { Name: "nofile", Soft: 10, Hard: 10 });
  assert.deepEqual(parseUlimit("core=0:unlimited"), { Name: "core", Soft: 0, Hard: -1 });
  for (const bad of ["nofile", "nofile=", "nofile=x", "nofile=2:1", "nofile=-1:5", "=1"])
    refused(() => parseUlimit(bad), bad);
  const device = (word: string) => Object.values(parseDevice(word)).join(" ");
  assert.equal(device("/dev/a"), "/dev/a /dev/a rwm");
  assert.equal(device("/dev/a:r"), "/dev/a /dev/a r");
  assert.equal(device("/dev/a:/dev/b"), "/dev/a /dev/b rwm");
  assert.equal(device("/dev/a:/dev/b:rw"), "/dev/a /dev/b rw");
  for (const bad of ["", "/dev/a:/dev/b:x", "/a:/b:r:w"]) refused(() => parseDevice(bad), bad);
});

test("only what was asked for is in the request", () => {
  assert.deepEqual([hostFlagsConfig(flagsOf()), hostFlagsHostConfig(flagsOf())], [{}, {}]);
  const flags = flagsOf(
    ...[
      "--init",
      "--tmpfs",
      "/t:size=1m",
      "--sysctl",
      "a.b=c=d",
      "--add-host",
      "h=[::1]",
      "--oom-score-adj=-5",
    ],
    ...["--shm-size", "1m", "--annotation", "k=v", "--pid=host", "--stop-timeout", "0", "--domainname", "d"],
  );
  assert.deepEqual(hostFlagsHostConfig(flags), {
    ExtraHosts: ["h:::1"],
    PidMode: "host",
    Tmpfs: { "/t": "size=1m" },
    Sysctls: { "a.b": "c=d" },
    Annotations: { k: "v" },
    Init: true,
    OomScoreAdj: -5,
    ShmSize: 2 ** 20,
  });
  assert.deepEqual(hostFlagsConfig(flags), { Domainname: "d", StopTimeout: 0 });
  for (const bad of [
    ["--add-host", "h"],
    ["--sysctl", "a.b"],
    ["--shm-size", "much"],
  ])
    refused(() => hostFlagsHostConfig(flagsOf(...bad)), bad.join(" "));
});

test("health flags", () => {
  const check = (...words: string[]) => hostFlagsConfig(flagsOf(...words)).Healthcheck;
  assert.deepEqual(check("--health-cmd", "x | y", "--health-interval", "1m30s", "--health-retries=2"), {
    Test: ["CMD-SHELL", "x | y"],
    Interval: 90e9,
    Retries: 2,
  });
  assert.deepEqual(check("--health-start-interval=500ms", "--health-timeout", "0"), {
    Timeout: 0,
    StartInterval: 5e8,
  });
  assert.deepEqual(check("--no-healthcheck"), { Test: ["NONE"] });
  refused(() => check("--no-healthcheck", "--health-cmd", "x"), "both");
  refused(() => check("--health-interval", "soon"), "no time");
  refused(() => check("--health-retries", "-1"), "negative");
});
