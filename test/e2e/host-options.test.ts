import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unless } from "../support/needs.ts";
import type { TestEngine } from "../support/ply.ts";
import { must, type Ran, type RunOptions } from "../support/process.ts";
import { openRoom, type TestRoom } from "../support/room.ts";

let room: TestRoom;
let engine: TestEngine;
let scratch: string;

const clients: readonly (readonly [string, (args: string[], options?: RunOptions) => Promise<Ran>])[] = [
  ["ply", (args, options) => engine.ply(args, options)],
  ["docker", (args, options) => engine.docker(args, options)],
];

describe("what the host gives a container", { skip: unless("root", "crun", "conmon", "docker") }, () => {
  before(async () => {
    room = await openRoom();
    ({ engine, scratch } = room);
  });
  after(() => room[Symbol.asyncDispose]());

  for (const [name, client] of clients)
    describe(name, () => {
      const run = ["run", "--rm", "--network", "none"];
      const ok = async (args: string[], options?: RunOptions): Promise<string> => {
        const ran = await client(args, options);
        assert.equal(ran.code, 0, `${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
        return ran.stdout;
      };
      const inspect = async (container: string) => JSON.parse(await ok(["inspect", container]))[0];

      test("many at once, seen inside and in inspect", async () => {
        const script = `
          ulimit -Sn; ulimit -Hn
          cat /proc/sys/net/core/somaxconn
          busybox df -k /dev/shm | busybox tail -1 | busybox awk '{print $2}'
          cat /proc/self/oom_score_adj
          id -G
          hostname; cat /proc/sys/kernel/domainname
          busybox grep -c '1.2.3.4.db' /etc/hosts; busybox grep -c '::1.six' /etc/hosts; busybox grep -c gateway /etc/hosts
          cat /etc/resolv.conf
          busybox grep ' /t ' /proc/mounts; stat -c %a /t
          ls -l /dev/nothing | busybox cut -c1; echo x > /dev/nothing && echo written
          cat /proc/1/comm; busybox tr '\\0' ' ' < /proc/1/cmdline; echo`;
        const flags = [
          ...[
            "--init",
            "--ulimit",
            "nofile=100:200",
            "--sysctl",
            "net.core.somaxconn=77",
            "--shm-size",
            "8m",
          ],
          ...["--oom-score-adj", "500", "--group-add", "2000", "--group-add", "guest", "--hostname", "box"],
          ...["--domainname", "example.test", "--add-host", "db:1.2.3.4", "--add-host", "six:::1"],
          ...["--add-host", "gateway:host-gateway", "--dns", "9.9.9.9", "--dns-search", "a.test"],
          ...["--dns-option", "ndots:3", "--tmpfs", "/t:size=1m,mode=1700,exec"],
          ...["--device", "/dev/null:/dev/nothing:rw", "--stop-timeout", "3", "--stop-signal", "INT"],
          ...["--annotation", "org.test=1", "--device-cgroup-rule", "c 10:229 r"],
        ];
        const lines = (
          await ok(["run", "--name", "many", "--network", "none", ...flags, "bb:1", "sh", "-c", script])
        )
          .trimEnd()
          .split("\n");
        assert.deepEqual(lines.slice(0, 16), [
          ...["100", "200", "77", "8192", "500", "0 1000 2000", "box", "example.test", "1", "1", "1"],
          ...["nameserver 9.9.9.9", "search a.test", "options ndots:3"],
          lines[14] ?? "",
          "1700",
        ]);
        assert.match(lines[14] ?? "", /^tmpfs \/t tmpfs rw,nosuid,nodev,.*size=1024k,mode=1700/);
        assert.deepEqual(lines.slice(16, 18), ["c", "written"]);
        assert.match(lines[18] ?? "", /init|tini|catatonit/);
        assert.match(lines[19] ?? "", /^\/sbin\/docker-init -- sh -c/);

        const { HostConfig, Config } = await inspect("many");
        assert.deepEqual(
          [HostConfig.Init, HostConfig.ShmSize, HostConfig.OomScoreAdj, HostConfig.GroupAdd],
          [true, 8 * 2 ** 20, 500, ["2000", "guest"]],
        );
        assert.deepEqual(HostConfig.Ulimits, [{ Name: "nofile", Hard: 200, Soft: 100 }]);
        assert.deepEqual(HostConfig.Sysctls, { "net.core.somaxconn": "77" });
        assert.deepEqual(HostConfig.Devices, [
          { PathOnHost: "/dev/null", PathInContainer: "/dev/nothing", CgroupPermissions: "rw" },
        ]);
        assert.deepEqual(HostConfig.DeviceCgroupRules, ["c 10:229 r"]);
        assert.deepEqual(HostConfig.ExtraHosts, ["db:1.2.3.4", "six:::1", "gateway:host-gateway"]);
        assert.deepEqual(
          [HostConfig.Dns, HostConfig.DnsSearch, HostConfig.DnsOptions],
          [["9.9.9.9"], ["a.test"], ["ndots:3"]],
        );
        assert.deepEqual(HostConfig.Tmpfs, { "/t": "size=1m,mode=1700,exec" });
        assert.deepEqual(HostConfig.Annotations, { "org.test": "1" });
        assert.deepEqual(
          [Config.Domainname, Config.StopTimeout, Config.StopSignal],
          ["example.test", 3, "INT"],
        );
        await ok(["rm", "many"]);
      });

      test("a limit that the host does not allow is lowered, with a warning", async (t) => {
        const most = /Max open files +\d+ +(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
        const status = readFileSync("/proc/self/status", "utf8");
        const effective = BigInt(`0x${/CapEff:\s*([0-9a-f]+)/.exec(status)?.[1]}`);
        if ((effective >> 24n) & 1n) return t.skip("this process may raise its limits");
        const ran = await client([
          ...run,
          "--ulimit",
          `nofile=1024:${Number(most) + 1}`,
          "bb:1",
          "sh",
          "-c",
          "ulimit -Hn",
        ]);
        assert.equal(ran.code, 0, ran.stderr);
        assert.equal(ran.stdout.trim(), most);
        assert.match(ran.stderr, /WARNING: RLIMIT_NOFILE is lowered/);
      });

      test("mounts in their long form", async () => {
        const source = join(scratch, `src-${name}`);
        mkdirSync(join(source, "sub"), { recursive: true });
        writeFileSync(join(source, "file"), "from here\n");
        await ok([
          "run",
          "--rm",
          "--network",
          "none",
          "-v",
          `vol-${name}:/v`,
          "bb:1",
          "sh",
          "-c",
          "mkdir /v/in; echo deep > /v/in/f",
        ]);
        const flags = [
          ...["--mount", `type=bind,source=${source},target=/b,readonly,bind-propagation=rslave`],
          ...["--mount", `type=volume,source=vol-${name},target=/v,volume-subpath=in`],
          ...["--mount", "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1750"],
          ...["--mount", `type=volume,source=fresh-${name},target=/etc,volume-nocopy`],
        ];
        const script = "cat /b/file; touch /b/x 2>&1; cat /v/f; stat -c %a /t; ls /etc";
        const out = await ok([
          "run",
          "--name",
          "mounts",
          "--network",
          "none",
          ...flags,
          "bb:1",
          "sh",
          "-c",
          script,
        ]);
        assert.match(out, /^from here\ntouch: \/b\/x: Read-only file system\ndeep\n1750\n/);
        assert.doesNotMatch(out, /passwd/);
        const { Mounts, HostConfig } = await inspect("mounts");
        const mounts = new Map<string, { Type: string; RW: boolean; Propagation: string }>(
          Mounts.map((mount: { Destination: string }) => [mount.Destination, mount]),
        );
        assert.deepEqual(
          [mounts.get("/b")?.Type, mounts.get("/b")?.RW, mounts.get("/b")?.Propagation],
          ["bind", false, "rslave"],
        );
        assert.deepEqual([mounts.get("/v")?.Type, mounts.get("/t")?.Type], ["volume", "tmpfs"]);
        assert.equal(HostConfig.Mounts.length, 4);
        assert.equal(HostConfig.Mounts[1].VolumeOptions.Subpath, "in");
        // Another one that takes its volumes, but reads only.
        const lent = await client([
          ...run,
          "--volumes-from",
          "mounts:ro",
          "bb:1",
          "sh",
          "-c",
          "cat /b/file /v/f; touch /v/x",
        ]);
        assert.equal(lent.stdout, "from here\ndeep\n");
        assert.match(lent.stderr, /Read-only/);
        await ok(["rm", "mounts"]);
        // What is mounted below a read-only bind can be written only where that was asked for.
        const below = join(source, "sub");
        await must("mount", ["-t", "tmpfs", "tmpfs", below]);
        try {
          const write = async (more: string) => {
            const flag = `type=bind,source=${source},target=/b,readonly${more}`;
            return (await client([...run, "--mount", flag, "bb:1", "touch", "/b/sub/x"])).code;
          };
          assert.deepEqual([await write(""), await write(",bind-recursive=writable")], [1, 0]);
        } finally {
          await must("umount", [below]);
        }
        const missing = await client([
          ...run,
          "--mount",
          `type=bind,source=${source}/none,target=/b`,
          "bb:1",
          "true",
        ]);
        assert.equal(missing.code, 125);
        assert.match(missing.stderr, /bind source path does not exist/);
        // Of the engine's own files there only those have a place that the directory has too.
        writeFileSync(join(source, "hosts"), "");
        const etc = await ok([
          "run",
          "--rm",
          "-v",
          `${source}:/etc:ro`,
          "bb:1",
          "cat",
          "/etc/hosts",
          "/etc/file",
        ]);
        assert.match(etc, /localhost.*from here\n$/s);
      });

      test("-v: modes that are taken, and one that is not", async () => {
        const flags = [
          "-v",
          `${scratch}:/a:ro,z`,
          "-v",
          `${scratch}:/b:rprivate,rw`,
          "-v",
          `nc-${name}:/etc:nocopy`,
        ];
        assert.doesNotMatch(await ok([...run, ...flags, "bb:1", "ls", "/etc"]), /passwd/);
        const bad = await client([...run, "-v", `${scratch}:/a:odd`, "bb:1", "true"]);
        assert.match(bad.stderr, /invalid mode|invalid volume specification/);
      });

      test("namespaces of the host", async () => {
        const flags = ["--pid", "host", "--uts", "host", "--ipc", "host", "--userns", "host"];
        const out = await ok([...run, ...flags, "bb:1", "sh", "-c", "hostname; readlink /proc/self/ns/pid"]);
        const { readlinkSync } = await import("node:fs");
        assert.equal(out.split("\n")[0], hostname());
        assert.equal(out.split("\n")[1], readlinkSync("/proc/self/ns/pid"));
        const odd = await client([...run, "--uts", "odd", "bb:1", "true"]);
        assert.equal(odd.code, 125);
      });

      test("a read-only root with a tmpfs to write to", async () => {
        const out = await ok([
          ...run,
          "--read-only",
          "--tmpfs",
          "/tmp",
          "bb:1",
          "sh",
          "-c",
          "touch /x 2>&1; touch /tmp/x && echo fine",
        ]);
        assert.equal(out, "touch: /x: Read-only file system\nfine\n");
      });

      test("security options: no new privileges, a profile of one's own, unmasked paths", async () => {
        const out = await ok([
          ...run,
          "--security-opt",
          "no-new-privileges",
          "bb:1",
          "busybox",
          "grep",
          "NoNewPrivs",
          "/proc/self/status",
        ]);
        assert.match(out, /1$/m);
        const profile = join(scratch, "profile.json");
        writeFileSync(
          profile,
          JSON.stringify({
            defaultAction: "SCMP_ACT_ALLOW",
            architectures: ["SCMP_ARCH_X86_64"],
            syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95 }],
          }),
        );
        const refused = await client([...run, "--security-opt", `seccomp=${profile}`, "bb:1", "mkdir", "/x"]);
        assert.match(refused.stderr, /not supported/i);
        const masked = ["bb:1", "sh", "-c", "busybox grep -c ' /proc/sys ' /proc/mounts"];
        assert.equal((await client([...run, ...masked])).stdout, "1\n");
        assert.equal(
          (await client([...run, "--security-opt", "systempaths=unconfined", ...masked])).stdout,
          "0\n",
        );
      });

      test("files: environment, labels, the id", async () => {
        const file = (text: string) => {
          const path = join(scratch, `${name}-file`);
          writeFileSync(path, text);
          return path;
        };
        const env = await ok([
          ...run,
          "--env-file",
          file("# c\nA=1 2\nGREETING=x\n"),
          "bb:1",
          "sh",
          "-c",
          "echo $A $GREETING",
        ]);
        assert.equal(env, "1 2 x\n");
        const cidfile = join(scratch, `${name}-cid`);
        const labels = file("a=b\nc=d e\n");
        const id = await ok(["create", "--cidfile", cidfile, "--label-file", labels, "-l", "a=z", "bb:1"]);
        assert.equal(readFileSync(cidfile, "utf8"), id.trim());
        assert.deepEqual((await inspect(id.trim())).Config.Labels, { a: "z", c: "d e" });
        await ok(["rm", id.trim()]);
      });

      test("limits of devices, real-time CPU, swappiness and the OOM killer reach the kernel", async () => {
        const disk = readdirSync("/sys/block").find((each) =>
          statSync(`/dev/${each}`, { throwIfNoEntry: false }),
        );
        assert.ok(disk);
        const id = (
          await ok([
            ...[
              "run",
              "-d",
              "--network",
              "none",
              "-m",
              "64m",
              "--memory-swappiness",
              "10",
              "--oom-kill-disable",
            ],
            ...["--device-read-bps", `/dev/${disk}:1mb`, "--device-write-iops", `/dev/${disk}:7`],
            ...["--cpu-rt-period", "2000", "--cpu-rt-runtime", "1000", "bb:1", "busybox", "sleep", "1000"],
          ])
        ).trim();
        const limit = (controller: string, file: string) =>
          readFileSync(`/sys/fs/cgroup/${controller}/ply/${id}/${file}`, "utf8").trim();
        assert.match(limit("blkio", "blkio.throttle.read_bps_device"), / 1048576$/);
        assert.match(limit("blkio", "blkio.throttle.write_iops_device"), / 7$/);
        assert.equal(limit("cpu", "cpu.rt_runtime_us"), "1000");
        assert.equal(limit("memory", "memory.swappiness"), "10");
        assert.match(limit("memory", "memory.oom_control"), /^oom_kill_disable 1$/m);
        const { HostConfig } = await inspect(id);
        assert.deepEqual(HostConfig.BlkioDeviceReadBps, [{ Path: `/dev/${disk}`, Rate: 2 ** 20 }]);
        await ok(["rm", "-f", id]);
      });

      test("an OCI runtime by its name", async () => {
        const out = await ok([...run, "--runtime", "runc", "bb:1", "sh", "-c", "echo from runc"]);
        assert.equal(out, "from runc\n");
        const id = (
          await ok([
            "run",
            "-d",
            "--network",
            "none",
            "--runtime",
            "runc",
            "bb:1",
            "busybox",
            "sleep",
            "1000",
          ])
        ).trim();
        await engine.restart("SIGKILL");
        assert.equal(await ok(["exec", id, "echo", "inside"]), "inside\n");
        assert.equal((await inspect(id)).HostConfig.Runtime, "runc");
        await ok(["rm", "-f", id]);
      });

      test("what cannot be is refused with the reason", async () => {
        const cases: [string[], RegExp][] = [
          [["--sysctl", "vm.swappiness=1"], /vm\.swappiness|not allowed/],
          [["--device", "/dev/no-such-thing"], /error gathering device information/],
          [["--group-add", "nobody-knows"], /[Uu]nable to find group nobody-knows/],
          [["--tmpfs", "/t:nonsense"], /invalid tmpfs option/],
          [["--volumes-from", "nobody"], /No such container: nobody/i],
          [["--dns", "one.one"], /one\.one/],
          [["--oom-score-adj", "2000"], /2000|range/],
          [["--ulimit", "files=1"], /invalid ulimit type: files/],
          [["-v", "/tmp:/a", "--tmpfs", "/a"], /Duplicate mount point: \/a/],
          [["--runtime", "nope"], /unknown or invalid runtime name: nope/],
          [["--gpus", "all"], /could not select device driver "" with capabilities: \[\[gpu\]\]/],
          [["--device-read-bps", "/dev/null:1mb"], /\/dev\/null is not a block device/],
          [["--volume-driver", "nfs"], /plugin "nfs" not found/],
        ];
        for (const [flags, words] of cases) {
          const ran = await client([...run, ...flags, "bb:1", "true"]);
          assert.notEqual(ran.code, 0, flags.join(" "));
          assert.match(ran.stderr, words, flags.join(" "));
        }
      });
    });
});
