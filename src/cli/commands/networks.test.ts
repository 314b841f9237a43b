import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UsageError } from "../failure.ts";
import { startFakeEngine } from "../testing/fake-engine.ts";
import { runPly } from "../testing/run.ts";
import { ipamConfig } from "./ipam-flags.ts";
import { parseNetworkFlag } from "./network-flags.ts";

const bodyOf = (request: { readonly body: string } | undefined): unknown => JSON.parse(request?.body ?? "");

describe("network", () => {
  const network = {
    Name: "app",
    Id: "a".repeat(64),
    Created: "2026-11-21T12:00:00Z",
    Scope: "local",
    Driver: "bridge",
    EnableIPv4: true,
    EnableIPv6: false,
    Internal: true,
    IPAM: {
      Driver: "default",
      Options: null,
      Config: [{ Subnet: "172.18.0.0/16" }, { Subnet: "fd00::/64" }],
    },
    Labels: { tier: "web" },
  };

  test("ls is Docker's table", async () => {
    const host = { ...network, Name: "Host", Id: "b".repeat(64), Driver: "host", IPAM: { Config: null } };
    await using engine = await startFakeEngine({ "GET /networks": { json: [network, host] } });
    const { stdout } = await runPly(["network", "ls"], { engine });
    assert.deepEqual(stdout.trimEnd().split("\n"), [
      "NETWORK ID     NAME      DRIVER    SCOPE",
      "bbbbbbbbbbbb   Host      host      local",
      "aaaaaaaaaaaa   app       bridge    local",
    ]);
    const format = '{{.Name}} {{.Internal}} {{.IPv6}} {{.Subnets}} {{.Label "tier"}}';
    const formatted = await runPly(["network", "ls", "-f", "driver=bridge", "--format", format], { engine });
    assert.match(formatted.stdout, /^app true false 172\.18\.0\.0\/16, fd00::\/64 web$/m);
    assert.equal(engine.requests[1]?.query.get("filters"), '{"driver":["bridge"]}');
    assert.equal((await runPly(["network", "ls", "-q"], { engine })).stdout, "bbbbbbbbbbbb\naaaaaaaaaaaa\n");
  });

  test("create says what was asked for", async () => {
    await using engine = await startFakeEngine({
      "POST /networks/create": { status: 201, json: { Id: "abc", Warning: "careful" } },
    });
    const words = ["--subnet", "10.9.0.0/24", "--subnet", "fd00::/64", "--gateway", "fd00::1", "--ip-range"];
    const ran = await runPly(
      [
        ...["network", "create", ...words, "10.9.0.128/25", "--aux-address", "printer=10.9.0.5", "--ipv6"],
        ...[
          "--ipv4=false",
          "--internal",
          "-o",
          "com.docker.network.bridge.name=mine",
          "--label",
          "a=b",
          "app",
        ],
      ],
      { engine },
    );
    assert.deepEqual([ran.stdout, ran.stderr], ["abc\n", "WARNING: careful\n"]);
    assert.deepEqual(bodyOf(engine.requests[0]), {
      Name: "app",
      Driver: "bridge",
      EnableIPv4: false,
      EnableIPv6: true,
      Internal: true,
      Attachable: false,
      IPAM: {
        Driver: "default",
        Options: {},
        Config: [
          { Subnet: "10.9.0.0/24", IPRange: "10.9.0.128/25", AuxiliaryAddresses: { printer: "10.9.0.5" } },
          { Subnet: "fd00::/64", Gateway: "fd00::1" },
        ],
      },
      Options: { "com.docker.network.bridge.name": "mine" },
      Labels: { a: "b" },
    });
  });

  test("connect, disconnect, rm, prune, inspect", async () => {
    await using engine = await startFakeEngine({
      "POST /networks/app/connect": { json: null },
      "POST /networks/app/disconnect": { json: null },
      "DELETE /networks/app": { status: 204, json: null },
      "POST /networks/prune": { json: { NetworksDeleted: ["x", "y"] } },
      "GET /networks/app": { json: network },
    });
    const connect = [
      "--ip",
      "10.9.0.7",
      "--alias",
      "a",
      "--alias",
      "b",
      "--link",
      "db:store",
      "--driver-opt",
      "k=v",
    ];
    assert.equal((await runPly(["network", "connect", ...connect, "app", "web"], { engine })).code, 0);
    assert.deepEqual(bodyOf(engine.requests[0]), {
      Container: "web",
      EndpointConfig: {
        IPAMConfig: { IPv4Address: "10.9.0.7" },
        Aliases: ["a", "b"],
        Links: ["db:store"],
        DriverOpts: { k: "v" },
      },
    });
    assert.equal((await runPly(["network", "disconnect", "-f", "app", "web"], { engine })).code, 0);
    assert.deepEqual(bodyOf(engine.requests[1]), { Container: "web", Force: true });
    const both = await runPly(["network", "rm", "app", "gone"], { engine });
    assert.deepEqual([both.stdout, both.code], ["app\n", 1]);
    assert.equal((await runPly(["network", "rm", "-f", "gone"], { engine })).code, 0);
    assert.equal(
      (await runPly(["network", "prune", "-f", "--filter", "label=a"], { engine })).stdout,
      "Deleted Networks:\nx\ny\n\n",
    );
    assert.equal(
      (await runPly(["inspect", "--type", "network", "-f", "{{.Driver}}", "app"], { engine })).stdout,
      "bridge\n",
    );
  });

  test("flags of run become a request", async () => {
    await using engine = await startFakeEngine({
      "POST /containers/create": { status: 201, json: { Id: "c", Warnings: [] } },
    });
    const create = async (...words: string[]) => {
      const ran = await runPly(["create", ...words, "img"], { engine });
      assert.equal(ran.code, 0, ran.stderr);
      const { HostConfig, NetworkingConfig, ExposedPorts } = bodyOf(engine.requests.at(-1)) as Record<
        string,
        Record<string, unknown>
      >;
      const { NetworkMode, PortBindings, Links, PublishAllPorts, PublishAddress } = HostConfig ?? {};
      const ends = (NetworkingConfig as { EndpointsConfig?: object } | undefined)?.EndpointsConfig;
      return JSON.parse(
        JSON.stringify({
          NetworkMode,
          PortBindings,
          Links,
          PublishAllPorts,
          PublishAddress,
          ends,
          ExposedPorts,
        }),
      );
    };
    assert.deepEqual(await create(), { NetworkMode: "default" });
    assert.deepEqual(await create("--net", "host"), { NetworkMode: "host" });
    assert.deepEqual(await create("--network", "bridge", "--network", "app"), {
      NetworkMode: "bridge",
      ends: { bridge: {}, app: {} },
    });
    assert.deepEqual(await create("-p", "8080:80", "-P", "--link", "db"), {
      NetworkMode: "default",
      PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }] },
      ExposedPorts: { "80/tcp": {} },
      Links: ["db"],
      PublishAllPorts: true,
      PublishAddress: "127.0.0.1",
    });
    const single = [
      "--ip",
      "10.9.0.2",
      "--network-alias",
      "w",
      "--mac-address",
      "02:42:ac:11:00:02",
      "--link",
      "db:d",
    ];
    assert.deepEqual(
      await create("--network", "app", ...single, "--network", "name=back,alias=x,ip6=fd00::2,gw-priority=7"),
      {
        NetworkMode: "app",
        ends: {
          app: {
            IPAMConfig: { IPv4Address: "10.9.0.2" },
            Aliases: ["w"],
            MacAddress: "02:42:ac:11:00:02",
            Links: ["db:d"],
          },
          back: { IPAMConfig: { IPv6Address: "fd00::2" }, Aliases: ["x"], GwPriority: 7 },
        },
      },
    );
  });

  test("flags that contradict each other are refused", async () => {
    await using engine = await startFakeEngine({});
    for (const [words, says] of [
      [["--network", "a", "--network", "a"], /specified multiple times/],
      [["--network", "a", "--network", "host"], /user-defined and non-user-defined/],
      [["--network", "name=a,ip=10.0.0.1", "--ip", "10.0.0.2"], /--ip and per-network ip/],
      [["--network", "alias=a"], /not specified/],
      [["-p", "80/icmp"], /invalid proto/],
      [["--expose", "1:2"], /--expose/],
    ] as const) {
      const { code, stderr } = await runPly(["create", ...words, "img"], { engine });
      assert.equal(code, 125, stderr);
      assert.match(stderr, says);
    }
  });

  test("the long form of --network", () => {
    assert.deepEqual(
      parseNetworkFlag("name=n,driver-opt=a=b,link-local-ip=169.254.1.2,mac-address=m,ip=1.2.3.4"),
      {
        name: "n",
        endpoint: {
          IPAMConfig: { IPv4Address: "1.2.3.4", LinkLocalIPs: ["169.254.1.2"] },
          MacAddress: "m",
          DriverOpts: { a: "b" },
        },
      },
    );
    for (const word of ["name=n,what=x", "name=n,alias", "name=n,gw-priority=x", "name=n,driver-opt=a"])
      assert.throws(() => parseNetworkFlag(word), UsageError, word);
  });

  test("ranges, gateways and reserved addresses go to their subnets", () => {
    const given = { subnets: ["10.0.0.0/8", "192.0.2.0/24"], gateways: [], ranges: [], reserved: {} };
    assert.deepEqual(
      ipamConfig({ ...given, gateways: ["192.0.2.1"], ranges: ["10.1.0.0/16"], reserved: { a: "10.0.0.9" } }),
      [
        { Subnet: "10.0.0.0/8", IPRange: "10.1.0.0/16", AuxiliaryAddresses: { a: "10.0.0.9" } },
        { Subnet: "192.0.2.0/24", Gateway: "192.0.2.1" },
      ],
    );
    for (const wrong of [
      { gateways: ["172.16.0.1"] },
      { ranges: ["172.16.0.0/24"] },
      { reserved: { a: "::1" } },
      { gateways: ["10.0.0.1", "10.0.0.2"] },
      { subnets: ["10.0.0.0/8", "10.1.0.0/16"] },
      { subnets: ["10.0.0.0"] },
      { subnets: [], gateways: ["10.0.0.1"] },
    ])
      assert.throws(() => ipamConfig({ ...given, ...wrong }), UsageError, JSON.stringify(wrong));
  });
});
