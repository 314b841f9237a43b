import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import type { ContainerMount, HostOptions } from "./containers.ts";
import { parseExtraHost, resolvConf } from "./etc-files.ts";
import { healthPlan, mergeHealthcheck } from "./healthcheck.ts";
import { canProtectBelow, checkSettings } from "./host-launch.ts";
import { type HostSettings, parseDeviceRule, rlimitOf } from "./host-settings.ts";
import { mountOf, parseVolumesFrom, wantedMounts } from "./mount-option.ts";
import { tmpfsMount } from "./tmpfs-option.ts";

const invalid = (error: unknown) => isPlyError(error, "invalid");

test("tmpfs: Docker's flags, the last word of a pair counts", () => {
  const optionsOf = (options: string) => tmpfsMount("/t/", { options }).options?.join(",");
  assert.equal(optionsOf(""), "noexec,nosuid,nodev");
  assert.equal(optionsOf("exec,size=64m,noexec,exec,mode=0700"), "nosuid,nodev,exec,size=64m,mode=0700");
  assert.deepEqual(tmpfsMount("/t/", { size: 4096, mode: 0o1770, readOnly: true }), {
    kind: "tmpfs",
    source: "",
    target: "/t",
    readOnly: true,
    propagation: "",
    noCopy: true,
    options: ["noexec", "nosuid", "nodev", "ro", "size=4096", "mode=1770"],
  });
  for (const options of ["nonsense", "size", "data=x"]) assert.throws(() => optionsOf(options), invalid);
  for (const place of ["t", "/"]) assert.throws(() => tmpfsMount(place, {}), invalid);
});

test("--mount in its long form", () => {
  const mount = { kind: "volume", source: "v", target: "/t", readOnly: false } as const;
  assert.deepEqual(mountOf({ ...mount, subpath: "a/b", noCopy: true, labels: { x: "y" } }), {
    kind: "volume",
    source: "v",
    target: "/t",
    readOnly: false,
    propagation: "rprivate",
    noCopy: true,
    mode: "",
    subpath: "a/b",
    labels: { x: "y" },
  });
  const bind = mountOf({ ...mount, kind: "bind", source: "/a//b/", propagation: "rslave" });
  assert.deepEqual([bind.source, bind.propagation, bind.mustExist], ["/a/b", "rslave", true]);
  for (const bad of [
    { ...mount, target: "" },
    { ...mount, target: "t" },
    { ...mount, target: "/" },
    { ...mount, source: "a/b" },
    { ...mount, subpath: "../x" },
    { ...mount, subpath: "/x" },
    { ...mount, kind: "bind" as const, source: "v" },
    { ...mount, kind: "bind" as const, source: "/v", propagation: "odd" },
    { ...mount, kind: "tmpfs" as const },
  ])
    assert.throws(() => mountOf(bad), invalid, JSON.stringify(bad));
});

test("lent volumes give way to a container's own, the image's to both", () => {
  const lent = (target: string): ContainerMount => ({
    kind: "volume",
    source: "lent",
    target,
    readOnly: false,
    propagation: "rprivate",
    noCopy: false,
  });
  const settings: HostSettings = { tmpfs: { "/t": "" } };
  const wanted = wantedMounts({ binds: ["/h:/a"], settings }, ["/b", "/c"], [lent("/a"), lent("/b")]);
  assert.deepEqual(
    wanted.map(({ target, source }) => [target, source]),
    [
      ["/a", "/h"],
      ["/t", ""],
      ["/b", "lent"],
      ["/c", null],
    ],
  );
  assert.throws(() => wantedMounts({ binds: ["/h:/t"], settings }, []), invalid);
  assert.deepEqual(parseVolumesFrom("c:ro"), { name: "c", readOnly: true });
  assert.deepEqual(parseVolumesFrom("c:z"), { name: "c", readOnly: null });
  for (const bad of ["", ":ro", "c:odd", "c:ro:rw"]) assert.throws(() => parseVolumesFrom(bad), invalid);
});

test("kernels that make a tree of mounts read-only", () => {
  const kernels = ["4.19.0-amd64", "5.4.0", "5.12", "5.15.1-x", "6.1.0-9-amd64", "10.0"];
  assert.deepEqual(kernels.filter(canProtectBelow), kernels.slice(2));
});

test("limits, device rules, extra hosts, modes", () => {
  assert.deepEqual(rlimitOf({ name: "nofile", soft: 1, hard: -1 }), {
    type: "RLIMIT_NOFILE",
    soft: 1,
    hard: Number.POSITIVE_INFINITY,
  });
  assert.throws(() => rlimitOf({ name: "files", soft: 1, hard: 1 }), invalid);
  assert.throws(() => rlimitOf({ name: "nofile", soft: -1, hard: 1 }), invalid);
  assert.deepEqual(parseDeviceRule("c 1:* rm"), { allow: true, type: "c", major: 1, access: "rm" });
  for (const bad of ["c 1:3", "x 1:3 r", "c 1 r", "c 1:3 x"])
    assert.throws(() => parseDeviceRule(bad), invalid, bad);
  assert.deepEqual(parseExtraHost("db:10.0.0.1"), { name: "db", address: "10.0.0.1" });
  assert.deepEqual(parseExtraHost("db=[::1]"), { name: "db", address: "::1" });
  assert.deepEqual(parseExtraHost("db:fe80::1"), { name: "db", address: "fe80::1" });
  for (const bad of ["db", ":1.2.3.4", "db:nowhere", "d b:1.2.3.4", "db:1.2.3.4\n6.6.6.6 x"])
    assert.throws(() => parseExtraHost(bad), invalid, bad);
});

test("resolv.conf: each kind of line gives way to what was asked for", () => {
  const host = "# c\nnameserver 9.9.9.9\nsearch a.b\noptions ndots:1\n";
  assert.equal(resolvConf(host, {}), host);
  assert.equal(resolvConf(host, { dns: ["1.1.1.1"] }), "nameserver 1.1.1.1\nsearch a.b\noptions ndots:1\n");
  assert.equal(
    resolvConf(host, { dnsSearch: ["x", "y"], dnsOptions: ["ndots:5"] }),
    "nameserver 9.9.9.9\nsearch x y\noptions ndots:5\n",
  );
  assert.equal(resolvConf(host, { dnsSearch: ["."] }), "nameserver 9.9.9.9\noptions ndots:1\n");
});

test("what cannot be had is refused before anything is made, what is cut short is said", async () => {
  const host = (settings: HostSettings): HostOptions => ({
    networkMode: "none",
    binds: [],
    autoRemove: false,
    readOnlyRootfs: false,
    privileged: false,
    capAdd: [],
    capDrop: [],
    securityOpt: [],
    settings,
  });
  const check = (settings: HostSettings, network: "host" | "none" = "none") =>
    checkSettings(host(settings), network, new Set());
  await assert.rejects(check({ sysctls: { "net.core.somaxconn": "1" } }, "host"), invalid);
  await assert.rejects(check({ sysctls: { "vm.swappiness": "1" } }), invalid);
  await assert.rejects(check({ sysctls: { "kernel.msgmax": "1" }, ipcMode: "host" }), invalid);
  await assert.rejects(check({ oomScoreAdj: 1001 }), invalid);
  await assert.rejects(check({ dns: ["one.one"] }), invalid);
  await assert.rejects(check({ dnsSearch: ["a\nnameserver 6.6.6.6"] }), invalid);
  assert.deepEqual(await check({ sysctls: { "net.core.somaxconn": "1" }, dns: ["::1"] }), []);
  const [warning, ...more] = await check({ ulimits: [{ name: "nofile", soft: 10, hard: 2 ** 40 }] });
  assert.match(warning ?? "", /^RLIMIT_NOFILE is lowered from 1099511627776 to \d+/);
  assert.deepEqual(more, []);
});

test("health checks: the container's over the image's, what is open filled in", () => {
  const image = { Test: ["CMD", "a"], Interval: 2e9, Retries: 5 };
  assert.deepEqual(mergeHealthcheck(image, undefined), { Healthcheck: image });
  assert.deepEqual(mergeHealthcheck(undefined, undefined), {});
  assert.deepEqual(mergeHealthcheck(image, { Test: [], Interval: 0, Timeout: 1e9 }), {
    Healthcheck: { ...image, Timeout: 1e9 },
  });
  assert.deepEqual(mergeHealthcheck(image, { Test: ["NONE"] }), { Healthcheck: { Test: ["NONE"] } });
  for (const bad of [{ Interval: 1000 }, { Timeout: -1 }, { Retries: -1 }, { Test: ["EXEC", "a"] }])
    assert.throws(() => mergeHealthcheck(image, bad), invalid, JSON.stringify(bad));
  assert.deepEqual(healthPlan({ Healthcheck: { Test: ["CMD-SHELL", "x | y"], StartPeriod: 5e8 } }), {
    args: ["/bin/sh", "-c", "x | y"],
    intervalMs: 30_000,
    timeoutMs: 30_000,
    startPeriodMs: 500,
    startIntervalMs: 5000,
    retries: 3,
  });
  assert.deepEqual(
    healthPlan({ Healthcheck: { Test: ["CMD-SHELL", "x"] }, Shell: ["/bin/bash", "-ec"] })?.args,
    ["/bin/bash", "-ec", "x"],
  );
  assert.deepEqual(healthPlan({ Healthcheck: image })?.args, ["a"]);
  for (const none of [undefined, { Test: [] }, { Test: ["NONE"] }, { Test: ["CMD"] }, { Interval: 1e9 }])
    assert.equal(healthPlan(none === undefined ? {} : { Healthcheck: none }), undefined);
});
