import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type BuildRoom, openBuildRoom, printedBySteps } from "../support/build-room.ts";
import { writeContext } from "../support/context-directory.ts";
import { unless } from "../support/needs.ts";
import { must, type Ran, type RunOptions, run, until } from "../support/process.ts";
import { busyboxWith, startSshAgent } from "../support/ssh-agent.ts";
import { type Member, tarball } from "../support/tarball.ts";

interface Builds extends Omit<BuildRoom, "build"> {
  /** `ply build` with plain progress; fails unless it exits as expected. */
  build(args: readonly string[], options?: RunOptions & { readonly code?: number }): Promise<Ran>;
  /** What the steps of a build printed. */
  printed(args: readonly string[], options?: RunOptions): Promise<string[]>;
}

async function openBuilds(storageDriver: string): Promise<Builds> {
  const room = await openBuildRoom({ storageDriver });
  const build: Builds["build"] = async (args, { code = 0, ...options } = {}) => {
    const ran = await room.engine.ply(["build", "--progress", "plain", ...args], options);
    assert.equal(ran.code, code, ran.stderr);
    return ran;
  };
  return {
    ...room,
    build,
    printed: async (args, options) => printedBySteps((await build(args, options)).stderr),
  };
}

for (const storageDriver of ["erofs", "overlay2"])
  describe(`what RUN has mounted, on ${storageDriver}`, { skip: unless("root") }, () => {
    let builds: Builds;
    before(async () => {
      builds = await openBuilds(storageDriver);
    });
    after(() => builds[Symbol.asyncDispose]());

    test("binds of contexts, sent or read here, of stages and images; written to for the step alone", async () => {
      const files: Member[] = [
        { name: "a/f", data: "one\n", mode: 0o640 },
        { name: "a/big", data: "b".repeat(300_000) },
        { name: "a/empty", data: "" },
        { name: "a/hard", type: "1", link: "a/f" },
        { name: "a/skipped", data: "no" },
        { name: "in", type: "2", link: "a" },
        { name: "abs", type: "2", link: "/a" },
        { name: "out", type: "2", link: "../../../../etc" },
        { name: Buffer.from("odd\xff", "latin1"), data: "odd\n" },
        { name: ".dockerignore", data: "*/skipped\n" },
      ];
      const dockerfile = `FROM bb:1 AS made
RUN mkdir -p /o/deep && echo made > /o/deep/f && ln -s /o/deep /o/link && dd if=/dev/zero of=/o/large bs=1 count=1 seek=70000000 2>/dev/null
FROM bb:1
RUN --mount=target=/c cd /c && cat a/f && stat -c '%a %u:%g %h' a/f && wc -c < a/big && ls -A a && cat odd* && readlink abs; readlink out && ! touch a/f 2>/dev/null
RUN --mount=target=/c,source=in --mount=target=/d,source=abs cmp /c/big /d/big && stat -c %h /c/f
RUN --mount=target=/c,source=a/f,rw echo two >> /c && cat /c
RUN --mount=target=/c,rw echo x > /c/a/new && rm /c/a/big && echo 2 > /c/a/f && ls /c/a
RUN --mount=target=/c,rw ls /c/a && cat /c/a/f
RUN --mount=target=/m,from=made,source=/o/link cat /m/f && ! touch /m/x 2>/dev/null
RUN --mount=target=/m,from=made,source=o,rw rm /m/large && ls /m
RUN --mount=target=/m,from=made,source=o ls /m
RUN --mount=target=/m,from=bb:1,source=/etc/passwd head -n 1 /m
`;
      const expected = [
        ["one", "640 0:0 2", "300000", "big", "empty", "f", "hard", "odd", "/a", "../../../../etc"],
        ["2"],
        ["one", "two"],
        ["empty", "f", "hard", "new"],
        ["big", "empty", "f", "hard", "one"],
        ["made"],
        ["deep", "link"],
        ["deep", "large", "link"],
        ["root:x:0:0:root:/root:/bin/sh"],
      ].flat();
      const directory = builds.contextOf(dockerfile, files);
      assert.deepEqual(await builds.printed([directory]), expected);
      const sent = tarball([{ name: "Dockerfile", data: dockerfile }, ...files]);
      assert.deepEqual(await builds.printed(["--no-cache", "-"], { stdin: sent }), expected);
      // What did not change does not run anew, and what did does.
      assert.deepEqual(await builds.printed([directory]), []);
      writeContext(directory, [{ name: "a/f", data: "ONE\n", mode: 0o640 }]);
      assert.deepEqual((await builds.printed([directory])).slice(0, 2), ["ONE", "640 0:0 2"]);
    });

    test("a bind that leads nowhere is refused, and so is one in place of the root", async () => {
      const files: Member[] = [{ name: "out", type: "2", link: "/etc" }];
      const refused = async (mount: string): Promise<string> =>
        (await builds.build([builds.contextOf(`FROM bb:1\nRUN --mount=${mount} true\n`, files)], { code: 1 }))
          .stderr;
      assert.match(await refused("target=/c,source=out/passwd"), /Dockerfile:2[\s\S]*out\/passwd/);
      assert.match(await refused("target=/c,source=../../etc/passwd"), /etc\/passwd/);
      assert.match(await refused("target=/"), /invalid mount target "\/"/);
      assert.match(await refused("target=/c,from=nowhere:1"), /nowhere/);
    });

    test("an engine that is killed leaves neither mounts nor files of them", async () => {
      const { engine } = builds;
      const files: Member[] = [{ name: "a/f", data: "f" }];
      const text =
        "FROM bb:1\nRUN --mount=target=/c --mount=target=/d,rw --mount=type=tmpfs,target=/t test -e /c/a/f && sleep 1000\n";
      const building = engine.ply(["build", "--network", "none", builds.contextOf(text, files)]);
      const spool = join(engine.root, "build/spool");
      const mounts = (): string[] =>
        readFileSync("/proc/self/mountinfo", "utf8")
          .split("\n")
          .filter((line) => line.includes(` ${spool}/`));
      await until("the step runs", async () => (await engine.must(["ps", "-q", "--no-trunc"])).stdout !== "");
      assert.ok(mounts().length > 0);
      await engine.restart("SIGKILL");
      await building;
      assert.deepEqual([mounts(), readdirSync(spool)], [[], []]);
    });

    test("nothing of a mount is left in the layer", async () => {
      const directory = builds.contextOf(
        `FROM bb:1
RUN --mount=target=/new/deep/c --mount=target=/etc/f,source=f --mount=type=cache,target=/root/.cache/x/y --mount=type=secret,id=s \\
  --mount=type=tmpfs,target=/t/t --mount=type=secret,id=s,target=/etc/deep/s test -s /etc/deep/s
`,
        [{ name: "f", data: "f" }],
      );
      await builds.build(["--secret", "id=s,src=/etc/hostname", "-t", "litter:1", directory]);
      const { text } = await builds.engine.request("GET", "/images/litter:1/json");
      assert.equal((JSON.parse(text) as { RootFS: { Layers: string[] } }).RootFS.Layers.length, 1);
    });
  });

describe("what RUN is let have", { skip: unless("root", "ssh-agent", "ssh-add", "ssh-keygen") }, () => {
  let builds: Builds;
  const agents = new AsyncDisposableStack();
  before(async () => {
    builds = await openBuilds("erofs");
    await builds.engine.must(["import", "-", "ssh:1"], {
      stdin: tarball(await busyboxWith("/usr/bin/ssh-add")),
    });
  });
  after(async () => {
    await agents.disposeAsync();
    await builds[Symbol.asyncDispose]();
  });

  /** An agent with a key of this name. */
  const agentWith = async (name: string): Promise<string> => {
    const agent = await startSshAgent(builds.work, name);
    agents.use(agent);
    return agent.socket;
  };

  test("agents of ssh: the socket's, several, key files; owner and mode as asked; nothing is left of them", async () => {
    const [first, second] = [await agentWith("first"), await agentWith("second")];
    const directory = builds.contextOf(`FROM ssh:1
RUN --mount=type=ssh ssh-add -l; stat -c '%a %u:%g %F' $SSH_AUTH_SOCK; echo $SSH_AUTH_SOCK
RUN --mount=type=ssh,id=b,target=/tmp/agent,mode=0666,uid=7,gid=8 stat -c '%a %u:%g' /tmp/agent; SSH_AUTH_SOCK=/tmp/agent ssh-add -l
RUN --mount=type=ssh,id=keys,mode=0666 ssh-add -l | wc -l
RUN ls /tmp/agent /run/buildkit 2>/dev/null; test -z "$SSH_AUTH_SOCK"
RUN --mount=type=ssh,id=absent test -z "$SSH_AUTH_SOCK"
`);
    const keys = ["first", "second"].map((name) => join(builds.work, name)).join(",");
    const flags = ["--ssh", "default", "--ssh", `b=${second}`, "--ssh", `keys=${keys}`];
    const temporary = mkdtempSync(join(builds.work, "tmp-"));
    const printed = await builds.printed([...flags, directory], {
      env: { SSH_AUTH_SOCK: first, TMPDIR: temporary },
    });
    assert.match(printed[0] ?? "", / first \(ED25519\)$/);
    assert.deepEqual(printed.slice(1, 4), ["600 0:0 socket", "/run/buildkit/ssh_agent.0", "666 7:8"]);
    assert.match(printed[4] ?? "", / second \(ED25519\)$/);
    assert.deepEqual(printed.slice(5), ["2"]);
    assert.deepEqual(readdirSync(temporary), []);
    assert.deepEqual(readdirSync(join(builds.engine.runRoot, "build")), []);

    const failing = async (
      args: readonly string[],
      env: Readonly<Record<string, string>> = {},
    ): Promise<string> =>
      (await builds.build([...args, directory], { code: 1, env: { SSH_AUTH_SOCK: "", ...env } })).stderr;
    assert.match(await failing(["--ssh", "default"]), /make sure SSH_AUTH_SOCK is set/);
    assert.match(await failing(["--ssh", `x=${first},${keys}`]), /only a single socket is allowed/);
    assert.match(await failing(["--ssh", "x=/etc/hostname"]), /ssh-add does not take \/etc\/hostname/);
    assert.match(await failing(["--ssh", "x=/nowhere"]), /there is no \/nowhere/);
    const required = builds.contextOf("FROM bb:1\nRUN --mount=type=ssh,required true\n");
    assert.match((await builds.build([required], { code: 1 })).stderr, /unset ssh forward key default/);
    const remote = await builds.engine.ply([
      "-H",
      "tcp://127.0.0.1:1",
      "build",
      "--ssh",
      `x=${first}`,
      directory,
    ]);
    assert.match(remote.stderr, /cannot reach an agent of this host/);
  });

  test("secrets: from files and variables, as files and variables, and nowhere else", async () => {
    const word = `s3cr3t-${process.pid}-word`;
    const file = join(builds.work, "token");
    writeContext(builds.work, [{ name: "token", data: word }]);
    chmodSync(file, 0o600);
    const directory = builds.contextOf(`FROM bb:1
RUN --mount=type=secret,id=file,mode=0440,uid=7,gid=8 stat -c '%a %u:%g %s' /run/secrets/file && mount | grep -c ' /run/secrets/file '
RUN --mount=type=secret,id=var,target=/etc/x/y,required sha256sum < /etc/x/y
RUN --mount=type=secret,id=file,env=WORD printf %s "$WORD" | sha256sum && ! ls /run/secrets 2>/dev/null
RUN --mount=type=secret,id=file,env=WORD,target=/both printf %s "$WORD" | cmp - /both && echo same
RUN --mount=type=secret,target=/deep/bare head -c 7 /deep/bare
RUN --mount=type=secret,id=none ! ls /run/secrets/none 2>/dev/null
`);
    const flags = ["--secret", `id=file,type=file,src=${file}`, "--secret", "type=env,id=var,env=THE_WORD"];
    const env = { THE_WORD: word, bare: "bareval" };
    const printed = await builds.printed(["-t", "secret:1", ...flags, "--secret", "id=bare", directory], {
      env,
    });
    const sum = (await must("sha256sum", [], { stdin: word })).stdout.trim();
    assert.deepEqual(printed, [`440 7:8 ${word.length}`, "1", sum, sum, "same", "bareval"]);
    assert.match((await builds.engine.must(["history", "--no-trunc", "secret:1"])).stdout, /type=secret|RUN/);
    for (const args of [
      ["history", "--no-trunc", "secret:1"],
      ["inspect", "secret:1"],
    ])
      assert.doesNotMatch((await builds.engine.must(args)).stdout, new RegExp(word));
    const { engine } = builds;
    // Layers, database (its journal too), logs: nothing on disk has ever seen it.
    const found = await run("grep", ["-rlaF", word, engine.root, engine.runRoot]);
    assert.equal(found.stdout, "");
    assert.doesNotMatch(engine.log(), new RegExp(word));
    // Another value is no reason to run a step again.
    writeContext(builds.work, [{ name: "token", data: "other" }]);
    assert.deepEqual(await builds.printed([...flags, "--secret", "id=bare", directory], { env }), []);

    const failing = async (...args: string[]): Promise<string> =>
      (await builds.engine.ply(["build", ...args, directory])).stderr;
    assert.match(await failing("--secret", "id=x,type=vault"), /unsupported secret type "vault"/);
    assert.match(await failing("--secret", "id=x,sorce=y"), /unexpected key 'sorce'/);
    assert.match(await failing("--secret", "src=y"), /it has no id/);
    assert.match(await failing("--secret", "id=x,env=NOT_SET_AT_ALL"), /NOT_SET_AT_ALL is not set/);
    assert.match(await failing("--secret", "id=x,src=/nowhere"), /cannot read \/nowhere/);
    writeContext(builds.work, [{ name: "large", data: "x".repeat(512_001) }]);
    assert.match(await failing("--secret", `id=x,src=${join(builds.work, "large")}`), /max size 500KB/);
    assert.match(await failing(), /secret var: not found/);
  });

  test("tmpfs, networks and entitlements", async () => {
    const step = (flags: string, command: string) => builds.contextOf(`FROM bb:1\nRUN ${flags} ${command}\n`);
    assert.deepEqual(
      await builds.printed([
        step(
          "--mount=type=tmpfs,target=/t,size=1m",
          "mount | sed -n 's/.* \\/t .*\\(size=[0-9a-z]*\\).*/\\1/p'; ! head -c 2000000 /dev/zero > /t/x 2>/dev/null; ls /t",
        ),
      ]),
      ["size=1024k", "x"],
    );
    const devices = "ls /sys/class/net";
    assert.deepEqual(await builds.printed([step("--network=none", devices)]), ["lo"]);
    const host = step("--network=host", "readlink /proc/self/ns/net");
    assert.match((await builds.build([host], { code: 1 })).stderr, /Dockerfile:2[\s\S]*--allow network.host/);
    // Not its devices, which come and go with the containers of other tests.
    assert.deepEqual(await builds.printed(["--allow", "network.host", host]), [
      readlinkSync("/proc/self/ns/net"),
    ]);
    const insecure = step("--security=insecure", "sed -n 's/CapEff:.//p' /proc/self/status");
    assert.match(
      (await builds.build([insecure], { code: 1 })).stderr,
      /Dockerfile:2[\s\S]*--allow security.insecure/,
    );
    const own = /CapBnd:\s*(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    assert.deepEqual(await builds.printed(["--allow", "security.insecure", insecure]), [own]);
  });
});

describe("devices that vendors describe (CDI)", { skip: unless("root") }, () => {
  let builds: Builds;
  const vendor = `ply-test-${process.pid}.example`;
  const kind = `${vendor}/thing`;
  const written: string[] = [];
  const made: string[] = [];
  const describeDevices = (directory: string, name: string, text: string): void => {
    const first = mkdirSync(directory, { recursive: true });
    if (first !== undefined) made.push(first);
    written.push(join(directory, name));
    writeFileSync(join(directory, name), text);
  };
  before(async () => {
    builds = await openBuilds("erofs");
    const hooked = join(builds.work, "hooked");
    writeContext(builds.work, [{ name: "library", data: "of the vendor\n" }]);
    const node = (name: string, more: object = {}) => ({
      name,
      containerEdits: {
        env: [`DEVICE_${name}=here`],
        deviceNodes: [
          { path: `/dev/ply-${name}`, hostPath: "/dev/zero", fileMode: 0o640, uid: 3, permissions: "r" },
        ],
        ...more,
      },
    });
    const first = {
      cdiVersion: "0.7.0",
      kind,
      containerEdits: {
        env: ["THINGS=1"],
        mounts: [
          {
            hostPath: join(builds.work, "library"),
            containerPath: "/usr/lib/vendor",
            options: ["ro", "nosuid"],
          },
        ],
        hooks: [
          {
            hookName: "createContainer",
            path: "/bin/sh",
            // crun fails with EPIPE when a hook has ended before it was told the state (1.8).
            args: ["sh", "-c", `cat >/dev/null; echo $WORD >> ${hooked}`],
            env: ["WORD=hooked"],
          },
        ],
      },
      devices: [node("a", { additionalGids: [4321] }), node("b")],
    };
    describeDevices("/etc/cdi", `ply-test-${process.pid}.json`, JSON.stringify(first));
    describeDevices(
      "/var/run/cdi",
      `ply-test-${process.pid}.yaml`,
      `cdiVersion: "0.6.0"\nkind: ${vendor}/free\nannotations:\n  org.mobyproject.buildkit.device.autoallow: "true"\n  org.mobyproject.buildkit.device.class: free-${process.pid}\ndevices:\n- name: x\n  containerEdits:\n    env: [FREE=x]\n`,
    );
    describeDevices("/var/run/cdi", `ply-test-${process.pid}-broken.yaml`, "cdiVersion: [\n");
  });
  after(async () => {
    for (const path of [...written, ...made.reverse()]) rmSync(path, { recursive: true, force: true });
    await builds[Symbol.asyncDispose]();
  });
  const look =
    "stat -c '%n %t:%T %a %u' /dev/ply-* 2>/dev/null; head -c 3 /dev/ply-a | od -An -tx1; cat /usr/lib/vendor; touch /usr/lib/vendor 2>/dev/null || echo ro; echo $THINGS $DEVICE_a $DEVICE_b; id -G | grep -o 4321";
  const expected = ["/dev/ply-a 1:5 640 3", " 00 00 00", "of the vendor", "ro", "1 here", "4321"];

  test("run and create give them, docker's client too; unknown ones are named", async () => {
    const { engine, work } = builds;
    const device = ["--network", "none", "--device", `${kind}=a`];
    const lines = (text: string): string[] => text.trimEnd().split("\n");
    assert.deepEqual(
      lines((await engine.must(["run", "--rm", ...device, "bb:1", "sh", "-c", look])).stdout),
      expected,
    );
    const docker = await engine.docker(["run", "--rm", ...device, "bb:1", "sh", "-c", look]);
    assert.deepEqual(lines(docker.stdout), expected, docker.stderr);
    assert.equal(readFileSync(join(work, "hooked"), "utf8"), "hooked\nhooked\n");
    await engine.must([
      "create",
      "--name",
      "held",
      ...device,
      "--device",
      "/dev/full:/dev/other",
      "bb:1",
      "true",
    ]);
    const { stdout } = await engine.must(["inspect", "-f", "{{json .HostConfig.DeviceRequests}}", "held"]);
    assert.deepEqual(JSON.parse(stdout), [
      { Driver: "cdi", Count: 0, DeviceIDs: [`${kind}=a`], Capabilities: [], Options: {} },
    ]);
    const unknown = await engine.ply(["run", "--rm", "--device", `${kind}=nope`, "bb:1", "true"]);
    assert.match(unknown.stderr, new RegExp(`unresolvable CDI devices ${kind}=nope[\\s\\S]*broken.yaml`));
  });

  test("RUN --device: by name, kind, class, all; only what is allowed; what is required must be there", async () => {
    const step = (flags: string, command = look) => builds.contextOf(`FROM bb:1\nRUN ${flags} ${command}\n`);
    const allow = ["--network", "none", "--allow", `device=${kind}=a`];
    assert.deepEqual(await builds.printed([...allow, step(`--device=${kind}=a`)]), expected);
    assert.deepEqual(await builds.printed([...allow, step(`--device=${kind}`, "echo $DEVICE_a $DEVICE_b")]), [
      "here",
    ]);
    const all = step(`--device=name=${kind}=*,required`, "ls /dev | grep ply; echo $DEVICE_a $DEVICE_b");
    assert.match(
      (await builds.build([...allow, all], { code: 1 })).stderr,
      new RegExp(`Dockerfile:2[\\s\\S]*device ${kind}=b is requested[\\s\\S]*--allow device=${kind}=b`),
    );
    for (const right of ["device", `device=${kind}`])
      assert.deepEqual(await builds.printed(["--no-cache", "--allow", right, all]), [
        "ply-a",
        "ply-b",
        "here here",
      ]);
    const free = step(`--device=free-${process.pid}`, "echo $FREE");
    assert.deepEqual(await builds.printed([free]), ["x"]);
    assert.deepEqual(await builds.printed([step(`--device=${kind}=nope`, "echo ran")]), ["ran"]);
    const required = step(`--device=${kind}=nope,required`);
    assert.match(
      (await builds.build([required], { code: 1 })).stderr,
      /Dockerfile:2[\s\S]*unresolvable CDI devices/,
    );
    // Nothing of a device is left in what the step made.
    await builds.build([...allow, "-t", "device:1", step(`--device=${kind}=a`, "true")]);
    const { text } = await builds.engine.request("GET", "/images/device:1/json");
    assert.equal((JSON.parse(text) as { RootFS: { Layers: string[] } }).RootFS.Layers.length, 1);
  });
});
