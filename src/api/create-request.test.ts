import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { parseCreateRequest } from "./create-request.ts";
import { viewHostSettings } from "./host-settings.ts";

const create = (body: Record<string, unknown>) => parseCreateRequest({ Image: "alpine", ...body }, null);
const hosted = (HostConfig: Record<string, unknown>) =>
  create({ HostConfig: { NetworkMode: "none", ...HostConfig } });

describe("create requests", () => {
  test("what docker run -i -t -e -w -u -v --rm --network host sends", () => {
    const { options, warnings } = parseCreateRequest(
      {
        Image: "alpine",
        Cmd: ["sh", "-c", "true"],
        Env: ["A=b"],
        WorkingDir: "/w",
        User: "1:2",
        Hostname: "h",
        Tty: true,
        OpenStdin: true,
        StdinOnce: true,
        Labels: { a: "b" },
        ExposedPorts: { "80/tcp": {} },
        Volumes: { "/in": {}, "/srv": {} },
        SomethingNew: { x: 1 },
        HostConfig: { NetworkMode: "host", AutoRemove: true, Binds: ["/data:/srv:ro"], Nothing: 1 },
      },
      "/name",
    );
    assert.deepEqual(warnings, []);
    assert.deepEqual(options, {
      name: "name",
      image: "alpine",
      process: {
        entrypoint: null,
        cmd: ["sh", "-c", "true"],
        env: ["A=b"],
        workingDir: "/w",
        user: "1:2",
        hostname: "h",
        tty: true,
        openStdin: true,
        stdinOnce: true,
        labels: { a: "b" },
        stopSignal: "",
        exposedPorts: ["80/tcp"],
      },
      host: {
        networkMode: "host",
        networks: [],
        binds: ["/data:/srv:ro", "/in"],
        autoRemove: true,
        readOnlyRootfs: false,
        privileged: false,
        capAdd: [],
        capDrop: [],
        securityOpt: [],
      },
    });
  });

  test("entrypoint and command: text or list, none or the image's", () => {
    const of = (body: Record<string, unknown>) => {
      const { entrypoint, cmd } = create(body).options.process;
      return { entrypoint, cmd };
    };
    assert.deepEqual(of({}), { entrypoint: null, cmd: null });
    assert.deepEqual(of({ Cmd: [] }), { entrypoint: null, cmd: null });
    assert.deepEqual(of({ Cmd: "ls" }), { entrypoint: null, cmd: ["ls"] });
    assert.deepEqual(of({ Entrypoint: [""] }), { entrypoint: [], cmd: [] });
    assert.deepEqual(of({ Entrypoint: ["sh"] }), { entrypoint: ["sh"], cmd: [] });
  });

  test("host settings come in, and go out as they came", () => {
    const given = {
      Init: true,
      Ulimits: [{ Name: "nofile", Soft: 10, Hard: 20 }],
      Sysctls: { "net.core.somaxconn": "9" },
      Devices: [{ PathOnHost: "/dev/fuse", PathInContainer: "/dev/f", CgroupPermissions: "r" }],
      DeviceCgroupRules: ["c 1:3 r"],
      CgroupParent: "/builds",
      GroupAdd: ["audio"],
      ExtraHosts: ["a:1.2.3.4"],
      Dns: ["1.1.1.1"],
      DnsSearch: ["a.b"],
      DnsOptions: ["ndots:2"],
      ShmSize: 4096,
      OomScoreAdj: 7,
      Tmpfs: { "/t": "size=1m" },
      Mounts: [
        {
          Type: "bind",
          Source: "/a",
          Target: "/b",
          ReadOnly: true,
          BindOptions: {
            Propagation: "rslave",
            NonRecursive: true,
            ReadOnlyNonRecursive: true,
            CreateMountpoint: true,
          },
        },
        {
          Type: "volume",
          Source: "v",
          Target: "/c",
          VolumeOptions: { NoCopy: true, Labels: { x: "y" }, Subpath: "s" },
        },
        { Type: "volume", Target: "/d" },
        { Type: "tmpfs", Target: "/e", TmpfsOptions: { SizeBytes: 4096, Mode: 448 } },
      ],
      VolumesFrom: ["other:ro"],
      IpcMode: "host",
      PidMode: "host",
      UTSMode: "host",
      UsernsMode: "host",
      Annotations: { k: "v" },
      MaskedPaths: [],
      ReadonlyPaths: ["/proc/sys"],
      OnUnhealthy: "restart",
    };
    const { options, warnings } = hosted(given);
    assert.deepEqual(warnings, []);
    assert.deepEqual(viewHostSettings(options.host.settings), given);
    assert.deepEqual(options.host.binds, []);
    assert.equal(hosted({}).options.host.settings, undefined);
    for (const bad of [
      { Mounts: [{ Type: "npipe", Target: "/x" }] },
      { Mounts: {} },
      { Mounts: ["/x"] },
      { Ulimits: [{ Name: "nofile", Soft: "1" }] },
      { Devices: [{ PathOnHost: "/dev/null", CgroupPermissions: "x" }] },
      { ShmSize: 1.5 },
      { OnUnhealthy: "explode" },
    ])
      assert.throws(
        () => hosted(bad),
        (error) => isPlyError(error, "invalid") || isPlyError(error, "unsupported"),
        JSON.stringify(bad),
      );
  });

  test("a mount's place is not the image's volume too", () => {
    const { options } = create({
      Volumes: { "/a": {}, "/b": {}, "/c": {}, "/d": {} },
      HostConfig: {
        NetworkMode: "none",
        Binds: ["/x:/a"],
        Mounts: [{ Type: "tmpfs", Target: "/b" }],
        Tmpfs: { "/c": "" },
      },
    });
    assert.deepEqual(options.host.binds, ["/x:/a", "/d"]);
  });

  test("domain name, stop timeout and health check", () => {
    const { process } = create({ Domainname: "d", StopTimeout: 0, Healthcheck: { Test: ["NONE"] } }).options;
    assert.deepEqual([process.domainname, process.stopTimeout], ["d", 0]);
    assert.deepEqual(process.healthcheck?.Test, ["NONE"]);
    assert.throws(() => create({ Healthcheck: { Interval: "1s" } }), /Interval is not a whole number/);
  });

  test("what cannot be honoured is said, each once, and defaults are not", () => {
    const { warnings } = hosted({
      StorageOpt: { size: "1G" },
      PortBindings: {},
      PublishAllPorts: false,
      Links: null,
      Memory: 1e9,
      RestartPolicy: { Name: "always" },
      Devices: [],
      PidsLimit: -1,
      OomKillDisable: null,
      LogConfig: { Type: "", Config: {} },
      ShmSize: 0,
      ConsoleSize: [0, 0],
    });
    assert.deepEqual(
      warnings.map((line) => /\((\w+)\)/.exec(line)?.[1]),
      ["StorageOpt"],
    );
    assert.deepEqual(hosted({ RestartPolicy: { Name: "no" }, PidsLimit: 0, Memory: 0 }).warnings, []);
  });

  test("a field of the wrong type is named", () => {
    for (const [body, name] of [
      [{ Env: "A=b" }, "Env"],
      [{ Tty: "yes" }, "Tty"],
      [{ HostConfig: [] }, "HostConfig"],
      [{ Labels: { a: 1 } }, "Labels.a"],
      [{ Image: "" }, "config.Image"],
    ] as const)
      assert.throws(
        () => create(body),
        (error) => isPlyError(error, "invalid") && error.message.includes(name),
        name,
      );
  });
});
