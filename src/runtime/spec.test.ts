import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMountinfo } from "../linux/index.ts";
import { inspectCgroups } from "./cgroup.ts";
import { launchFailure } from "./failure.ts";
import { buildSpec, type SpecOptions } from "./spec.ts";

const options: SpecOptions = {
  rootfs: "/r",
  readOnlyRootfs: false,
  args: ["true"],
  env: [],
  cwd: "/",
  user: { uid: 0, gid: 0, additionalGids: [0] },
  terminal: false,
  hostname: "h",
  network: "none",
  mounts: [],
  privileged: false,
  capabilities: ["CAP_CHOWN"],
  seccomp: null,
  noNewPrivileges: false,
  rlimits: [],
  cgroupsPath: "/ply/x",
  ownCgroupNamespace: true,
  shmSize: 4096,
  devices: [],
};

test("mounts come after those they lie in; a given one replaces the default at its place", () => {
  const bind = (destination: string) => ({ destination, type: "bind", source: "/s", options: ["rbind"] });
  const { mounts } = buildSpec({ ...options, mounts: [bind("/a/b/c"), bind("/dev/shm"), bind("/a")] });
  assert.deepEqual(
    mounts.map(({ destination, type }) => `${type} ${destination}`),
    [
      "proc /proc",
      "tmpfs /dev",
      "devpts /dev/pts",
      "mqueue /dev/mqueue",
      "sysfs /sys",
      "cgroup /sys/fs/cgroup",
      "bind /a",
      "bind /dev/shm",
      "bind /a/b/c",
    ],
  );
});

test("in a user namespace, id-mapped mounts say how", () => {
  const range = [{ inside: 0, outside: 100_000, size: 65_536 }];
  const mounts = [{ destination: "/v", type: "bind", source: "/s", options: ["rbind", "idmap"] }];
  const spec = buildSpec({ ...options, mounts, idMap: { uids: range, gids: range } });
  assert.deepEqual(spec.mounts.at(-1)?.options, ["rbind", "idmap=uids=0-100000-65536;gids=0-100000-65536"]);
  assert.deepEqual(spec.linux.uidMappings, [{ containerID: 0, hostID: 100_000, size: 65_536 }]);
});

test("namespaces, cgroups, devices and paths by network, layout and privilege", () => {
  const types = (over: Partial<SpecOptions>) =>
    buildSpec({ ...options, ...over }).linux.namespaces.map(({ type }) => type);
  assert.deepEqual(types({}), ["mount", "uts", "ipc", "pid", "network", "cgroup"]);
  assert.deepEqual(types({ network: "host", ownCgroupNamespace: false }), ["mount", "uts", "ipc", "pid"]);
  const plain = buildSpec(options).linux;
  assert.equal(plain.resources?.devices?.[0]?.allow, false);
  assert.ok(plain.maskedPaths.includes("/proc/kcore") && plain.readonlyPaths.includes("/proc/sys"));
  const privileged = buildSpec({ ...options, privileged: true }).linux;
  assert.deepEqual(privileged.resources, { devices: [{ allow: true, access: "rwm" }] });
  assert.deepEqual([privileged.maskedPaths, privileged.readonlyPaths], [[], []]);
  const without = buildSpec({ ...options, cgroupsPath: null });
  assert.deepEqual([without.linux.cgroupsPath, without.linux.resources], [undefined, undefined]);
  assert.ok(without.mounts.every(({ type }) => type !== "cgroup"));
});

test("cgroup layouts are told by what is mounted", async () => {
  const line = (target: string, type: string) => `1 1 0:1 / ${target} rw - ${type} cgroup rw\n`;
  const look = (text: string, controllers = "") =>
    inspectCgroups(parseMountinfo(text), async () => controllers);
  assert.equal((await look("")).layout, "none");
  assert.equal((await look(line("/elsewhere", "cgroup2"))).layout, "none");
  assert.deepEqual(await look(line("/sys/fs/cgroup", "cgroup2"), "cpu memory"), {
    layout: "v2",
    hierarchies: ["/sys/fs/cgroup"],
    strayControllers: [],
  });
  const v1 = line("/sys/fs/cgroup/cpu", "cgroup");
  assert.equal((await look(v1)).layout, "v1");
  const hybrid = v1 + line("/sys/fs/cgroup/unified", "cgroup2");
  assert.deepEqual(await look(hybrid, "hugetlb misc\n"), {
    layout: "hybrid",
    hierarchies: ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"],
    strayControllers: ["hugetlb", "misc"],
  });
});

test("the runtimes' words become Docker's, with its exit codes", () => {
  const cases: [runtime: string, words: string, command: string, exitCode: number, docker: string][] = [
    [
      "crun",
      "executable file `x` not found in $PATH: No such file or directory",
      "x",
      127,
      'exec: "x": executable file not found in $PATH',
    ],
    [
      "crun",
      "executable file `/x` not found: No such file or directory",
      "/x",
      127,
      'exec: "/x": stat /x: no such file or directory',
    ],
    [
      "crun",
      "open executable: Permission denied",
      "/etc/passwd",
      126,
      'exec: "/etc/passwd": permission denied',
    ],
    ["crun", "open executable: Operation not permitted", "/etc", 126, 'exec: "/etc": permission denied'],
    [
      "runc",
      'time="x" level=error msg="runc create failed: unable to start container process: exec: \\"x\\": executable file not found in $PATH"',
      "x",
      127,
      'exec: "x": executable file not found in $PATH',
    ],
    [
      "runc",
      'msg="runc create failed: exec: \\"/x\\": stat /x: no such file or directory"',
      "/x",
      127,
      'exec: "/x": stat /x: no such file or directory',
    ],
    ["runc", 'msg="exec: \\"/etc\\": is a directory"', "/etc", 126, 'exec: "/etc": is a directory'],
    [
      "runc",
      'msg="exec: \\"/etc/passwd\\": permission denied"',
      "/etc/passwd",
      126,
      'exec: "/etc/passwd": permission denied',
    ],
  ];
  for (const [runtime, words, command, exitCode, docker] of cases) {
    const error = launchFailure(runtime, new Error(words), command);
    assert.equal(error.details["exitCode"], exitCode, words);
    assert.ok(error.message.endsWith(`unable to start container process: ${docker}: unknown`), error.message);
  }
  const other = launchFailure("crun", new Error("mount `/x` to `/y`: No such file or directory\n"), "true");
  assert.equal(other.kind, "internal");
  assert.match(
    other.message,
    /crun create failed: mount `\/x` to `\/y`: No such file or directory: unknown$/,
  );
});
