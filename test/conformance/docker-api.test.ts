import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { DESCRIPTION_FILE, readApiDescription } from "../support/docker-api-description.ts";
import { type ApiSession, createApiSession } from "../support/docker-api-session.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { type RegistryFixture, startRegistry } from "../support/registry.ts";
import { tarball } from "../support/tarball.ts";

const SWARM =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
const auth = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A container with something of everything. */
const RICH = {
  Cmd: ["sleep", "600"],
  OpenStdin: true,
  Labels: { a: "b" },
  Volumes: { "/data": {} },
  ExposedPorts: { "80/tcp": {} },
  StopSignal: "SIGKILL",
  StopTimeout: 1,
  Shell: ["sh", "-c"],
  Healthcheck: {
    Test: ["CMD", "true"],
    Interval: 1_000_000_000,
    Timeout: 1_000_000_000,
    StartPeriod: 1_000_000_000,
    StartInterval: 1_000_000_000,
    Retries: 3,
  },
  HostConfig: {
    Annotations: { "org.example": "1" },
    Init: true,
    MaskedPaths: ["/proc/kcore"],
    ReadonlyPaths: ["/proc/sys"],
    Mounts: [
      { Type: "tmpfs", Target: "/scratch", TmpfsOptions: { SizeBytes: 1 << 20 } },
      { Type: "volume", Source: "kept", Target: "/kept", VolumeOptions: { NoCopy: true }, ReadOnly: true },
      { Type: "bind", Source: "/tmp", Target: "/shared", BindOptions: { Propagation: "rprivate" } },
    ],
    Tmpfs: { "/tmp": "size=1m" },
    Sysctls: { "kernel.domainname": "example" },
  },
};

/** Described fields that no answer has, and why. */
const NOT_GIVEN: readonly (readonly [fields: RegExp, why: string])[] = [
  [
    /^SwarmInfo\.|^Network\.Peers|^NetworkInspect\.Services|ClusterVolume|^SystemInfo\.NRI/,
    "there is no swarm, no NRI",
  ],
  [
    /\.(ArgsEscaped|CpuCount|CpuPercent|IOMaximum\w+|OsVersion|commit\w+|privateworkingset|endpoint_id|instance_id|\w+_normalized|(read|write)_size_bytes)$/,
    "Windows only",
  ],
  [
    /^(ContainerInspectResponse|ContainerSummary)\.ImageManifestDescriptor|^Image\w+\.(Descriptor|Manifests|Identity)|^OCI|\.Storage$|SystemInfo\.Containerd/,
    "of Docker with the containerd image store only",
  ],
  [
    /^GET \/system\/df\.|^ContainerSummary\.Health|os_type|^SystemInfo\.(DiscoveredDevices|FirewallBackend)|^NetworkInspect\.Status/,
    "newer than the API version that ply names",
  ],
  [
    /^ContainerWaitResponse\.Error|^Volume\.(Status|UsageData)|^Runtime\.|^ContainerPidsStats\.limit/,
    "only where there is something to say",
  ],
  [
    /\.NetworkDisabled|\.Shell|\.Variant|\.Experimental|^Mount\.(Consistency|ImageOptions|\w+Options\.\w+)/,
    "left out when empty",
  ],
  [
    /^Resources\.|^HostConfig\.(Runtime|StorageOpt)|\.DefaultAddressPools/,
    "of devices and limits that this scenario does not set",
  ],
];

describe("every operation of Docker's API description", {
  skip: unless("root", `file:${DESCRIPTION_FILE}`, "docker-registry"),
}, () => {
  let engine: TestEngine;
  let registry: RegistryFixture;
  let api: ApiSession;
  const description = readApiDescription(DESCRIPTION_FILE);

  before(async () => {
    [engine, registry] = await Promise.all([startEngine(), startRegistry()]);
    api = createApiSession(engine.socket, description);
    await importBusybox(engine);
  });
  after(async () => {
    await registry.stop();
    await engine[Symbol.asyncDispose]();
  });

  const create = async (json: object, name?: string): Promise<string> => {
    const query = name === undefined ? {} : { query: { name } };
    return (await api.call("POST /containers/create", 201, { json: { Image: "bb:1", ...json }, ...query }))
      .Id;
  };

  test("system", async () => {
    await api.call("GET /_ping", 200);
    await api.call("HEAD /_ping", 200);
    await api.call("GET /info", 200);
    await api.call("GET /version", 200);
    await api.call("POST /auth", 200, {
      json: { username: "a", password: "b", serveraddress: registry.host },
    });
    const until = String(Math.ceil(Date.now() / 1000));
    const events = await engine.request("GET", `/events?since=1&until=${until}`);
    for (const line of events.text.trim().split("\n"))
      assert.deepEqual(
        description.check("GET /events", {
          status: 200,
          contentType: "application/x-ndjson",
          json: JSON.parse(line),
        }),
        [],
      );
    await api.call("GET /events", 200, {
      headers: { Accept: "application/x-ndjson" },
      query: { since: "1", until, filters: JSON.stringify({ type: ["nothing"] }) },
    });
    await api.call("GET /events", 400, { query: { since: "nonsense" } });
  });

  test("a container's life", async () => {
    const id = await create(RICH, "one");
    await api.call("POST /containers/create", 409, { json: { Image: "bb:1" }, query: { name: "one" } });
    await api.call("POST /containers/create", 404, { json: { Image: "nowhere:1" } });
    await api.call("POST /containers/create", 400, { json: { Image: "bb:1" }, query: { name: "/bad name" } });
    await api.call("POST /containers/{id}/start", 204, { at: id });
    await api.call("POST /containers/{id}/start", 304, { at: id });
    await api.call("GET /containers/json", 200, { query: { size: "1" } });
    await api.call("GET /containers/json", 400, { query: { filters: "nonsense" } });
    await api.call("GET /containers/{id}/json", 200, { at: id, query: { size: "1" } });
    await api.call("GET /containers/{id}/top", 200, { at: id, query: { ps_args: "-ef" } });
    await api.call("GET /containers/{id}/stats", 200, { at: id, query: { stream: "false" } });
    await api.call("POST /containers/{id}/resize", 200, { at: id, query: { h: "20", w: "80" } });
    await api.call("POST /containers/{id}/update", 200, {
      at: id,
      json: { Memory: 64 << 20, MemorySwap: -1 },
    });
    await api.call("POST /containers/{id}/pause", 204, { at: id });
    await api.call("POST /containers/{id}/unpause", 204, { at: id });
    await api.call("POST /containers/{id}/rename", 204, { at: id, query: { name: "renamed" } });
    await create({}, "two");
    await api.call("POST /containers/{id}/rename", 409, { at: id, query: { name: "two" } });
    await api.call("DELETE /containers/{id}", 409, { at: id });
    await api.call("POST /containers/{id}/restart", 204, { at: id, query: { t: "0" } });
    await api.call("POST /containers/{id}/stop", 204, { at: id, query: { t: "0" } });
    await api.call("POST /containers/{id}/stop", 304, { at: id });
    await api.call("POST /containers/{id}/kill", 409, { at: id });
    await api.call("POST /containers/{id}/start", 204, { at: id });
    await api.call("POST /containers/{id}/kill", 204, { at: id });
    await api.call("POST /containers/{id}/wait", 200, { at: id });
    await api.call("POST /containers/{id}/wait", 400, { at: id, query: { condition: "nonsense" } });
    await api.call("DELETE /containers/{id}", 204, { at: id, query: { v: "1" } });
    await api.call("POST /containers/prune", 200);
    for (const [method, suffix] of [
      ["GET", "json"],
      ["GET", "top"],
      ["GET", "logs"],
      ["GET", "changes"],
      ["GET", "export"],
      ["GET", "stats"],
      ["POST", "start"],
      ["POST", "stop"],
      ["POST", "restart"],
      ["POST", "kill"],
      ["POST", "pause"],
      ["POST", "unpause"],
      ["POST", "attach"],
      ["POST", "wait"],
    ])
      await api.call(`${method} /containers/{id}/${suffix}`, 404, { at: "nobody", query: { stdout: "1" } });
    await api.call("DELETE /containers/{id}", 404, { at: "nobody" });
    await api.call("POST /containers/{id}/resize", 404, { at: "nobody", query: { h: "20", w: "80" } });
    await api.call("POST /containers/{id}/rename", 404, { at: "nobody", query: { name: "x" } });
    await api.call("POST /containers/{id}/update", 404, { at: "nobody", json: {} });
  });

  test("a container's output, files and changes", async () => {
    const id = await create({
      Cmd: ["sh", "-c", "echo out; echo err >&2; mkdir /new; rm /etc/passwd; exit 3"],
    });
    await api.call("POST /containers/{id}/start", 204, { at: id });
    assert.equal((await api.call("POST /containers/{id}/wait", 200, { at: id })).StatusCode, 3);
    const logs = await api.call("GET /containers/{id}/logs", 200, {
      at: id,
      query: { stdout: "1", stderr: "1" },
    });
    assert.match(logs, /out\n/);
    await api.call("POST /containers/{id}/attach", 200, { at: id, query: { logs: "1", stdout: "1" } });
    const attached = await api.upgrade("POST /containers/{id}/attach", 101, {
      at: id,
      query: { logs: "1", stdout: "1" },
    });
    assert.match(String(attached), /out\n/);
    await api.call("GET /containers/{id}/changes", 200, { at: id });
    await api.call("GET /containers/{id}/export", 200, { at: id });
    await api.call("HEAD /containers/{id}/archive", 200, { at: id, query: { path: "/new" } });
    await api.call("HEAD /containers/{id}/archive", 404, { at: id, query: { path: "/nowhere" } });
    await api.call("GET /containers/{id}/archive", 200, { at: id, query: { path: "/new" } });
    await api.call("GET /containers/{id}/archive", 404, { at: id, query: { path: "/nowhere" } });
    await api.call("GET /containers/{id}/archive", 400, { at: id });
    const body = tarball([{ name: "file", data: "x" }]);
    await api.call("PUT /containers/{id}/archive", 200, { at: id, query: { path: "/new" }, body });
    await api.call("PUT /containers/{id}/archive", 404, { at: id, query: { path: "/nowhere" }, body });
    const image = await api.call("POST /commit", 201, {
      query: {
        container: id,
        repo: "committed",
        tag: "1",
        changes: "EXPOSE 80\nSTOPSIGNAL SIGINT\nHEALTHCHECK CMD true",
      },
    });
    assert.match(image.Id, /^sha256:/);
    await api.call("GET /images/{name}/json", 200, { at: image.Id });
    await api.call("DELETE /images/{name}", 200, { at: "committed:1", query: { force: "1" } });
    await api.call("POST /commit", 404, { query: { container: "nobody" } });
    await api.call("DELETE /containers/{id}", 204, { at: id });
  });

  test("attach over a websocket", async () => {
    const id = await create({
      Cmd: ["sh", "-c", "read line; echo got $line"],
      OpenStdin: true,
      StdinOnce: true,
    });
    const query = { stream: "1", stdin: "1", stdout: "1" };
    await api.call("GET /containers/{id}/attach/ws", 400, { at: id, query });
    await api.upgrade("GET /containers/{id}/attach/ws", 404, { at: "nobody", query, protocol: "websocket" });
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = new WebSocket(
      `ws+unix://${engine.socket}:/containers/${id}/attach/ws?${new URLSearchParams(query)}`,
    );
    socket.binaryType = "arraybuffer";
    let output = "";
    socket.onmessage = ({ data }) => {
      output += new TextDecoder().decode(data as ArrayBuffer);
    };
    socket.onclose = () => resolve(output);
    socket.onerror = () => reject(new Error("the websocket failed"));
    await new Promise((opened) => socket.addEventListener("open", opened));
    await api.call("POST /containers/{id}/start", 204, { at: id });
    socket.send("hello\n");
    assert.equal(await promise, "got hello\n");
    await api.upgrade("GET /containers/{id}/attach/ws", 101, {
      at: id,
      query: { logs: "1", stdout: "1" },
      protocol: "websocket",
      headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13" },
    });
    await api.call("DELETE /containers/{id}", 204, { at: id, query: { force: "1" } });
  });

  test("exec", async () => {
    const id = await create({ Cmd: ["sleep", "600"] });
    const exec = { AttachStdout: true, Cmd: ["echo", "hello"], User: "0" };
    await api.call("POST /containers/{id}/exec", 409, { at: id, json: exec });
    await api.call("POST /containers/{id}/exec", 404, { at: "nobody", json: exec });
    await api.call("POST /containers/{id}/start", 204, { at: id });
    const { Id } = await api.call("POST /containers/{id}/exec", 201, { at: id, json: exec });
    await api.call("GET /exec/{id}/json", 200, { at: Id });
    assert.match(await api.call("POST /exec/{id}/start", 200, { at: Id, json: {} }), /hello\n/);
    await api.call("GET /exec/{id}/json", 200, { at: Id });
    await api.call("POST /exec/{id}/start", 409, { at: Id, json: {} });
    await api.call("GET /exec/{id}/json", 404, { at: "nobody" });
    await api.call("POST /exec/{id}/start", 404, { at: "nobody", json: {} });
    await api.call("POST /exec/{id}/resize", 404, { at: "nobody", query: { h: "20", w: "80" } });
    const tty = await api.call("POST /containers/{id}/exec", 201, {
      at: id,
      json: { Tty: true, Cmd: ["sleep", "600"] },
    });
    await api.call("POST /exec/{id}/start", 200, { at: tty.Id, json: { Detach: true, Tty: true } });
    await api.call("POST /exec/{id}/resize", 200, { at: tty.Id, query: { h: "20", w: "80" } });
    await api.call("DELETE /containers/{id}", 204, { at: id, query: { force: "1" } });
  });

  test("images", async () => {
    const name = `${registry.host}/team/bb`;
    await api.call("GET /images/json", 200, { query: { all: "1", "shared-size": "1", digests: "1" } });
    await api.call("POST /images/{name}/tag", 201, { at: "bb:1", query: { repo: name, tag: "1" } });
    await api.call("POST /images/{name}/tag", 404, { at: "nothing", query: { repo: "x" } });
    await api.call("POST /images/{name}/tag", 400, { at: "bb:1", query: { repo: "Bad Name" } });
    const headers = { "X-Registry-Auth": auth({}) };
    await api.call("POST /images/{name}/push", 200, { at: name, query: { tag: "1" }, headers });
    await api.call("GET /distribution/{name}/json", 200, { at: `${name}:1` });
    await api.call("DELETE /images/{name}", 200, { at: `${name}:1` });
    await api.call("POST /images/create", 200, { query: { fromImage: name, tag: "1" } });
    await api.call("POST /images/create", 404, {
      query: { fromImage: `${registry.host}/nothing`, tag: "1" },
    });
    await api.call("GET /images/{name}/json", 200, { at: `${name}:1`, query: { manifests: "1" } });
    await api.call("GET /images/{name}/json", 404, { at: "nothing" });
    await api.call("GET /images/{name}/history", 200, { at: `${name}:1` });
    await api.call("GET /images/{name}/history", 404, { at: "nothing" });
    await api.call("GET /images/{name}/get", 200, { at: "bb:1" });
    await api.call("GET /images/get", 200, { query: { names: "bb:1" } });
    const saved = await fetch("http://docker/images/bb:1/get", { unix: engine.socket });
    await api.call("POST /images/load", 200, { body: await saved.bytes() });
    await api.call("GET /images/json", 200, { query: { manifests: "1" } });
    await api.call("GET /images/{name}/attestations", 501, { at: "bb:1" });
    await api.call("GET /images/{name}/attestations", 404, { at: "nothing" });
    await api.call("DELETE /images/{name}", 200, { at: `${name}:1` });
    const held = await create({});
    await api.call("DELETE /images/{name}", 409, { at: "bb:1" });
    await api.call("DELETE /containers/{id}", 204, { at: held });
    await api.call("DELETE /images/{name}", 404, { at: "nothing" });
    await api.call("POST /images/prune", 200);
    await api.call("GET /images/search", 200, { query: { term: `${registry.host}/team` } });
  });

  test("builds", async () => {
    const context = (dockerfile: string) => tarball([{ name: "Dockerfile", data: dockerfile }]);
    const body = context("FROM bb:1\nRUN echo built > /built\n");
    await api.call("POST /build", 200, { body, query: { t: "built:1" } });
    await api.call("POST /build", 400, { body: context("NONSENSE\n") });
    await api.call("POST /build/prune", 200, { query: { all: "1" } });
    await api.call("DELETE /images/{name}", 200, { at: "built:1" });
  });

  test("volumes", async () => {
    await api.call("POST /volumes/create", 201, { json: { Name: "data", Labels: { a: "b" } } });
    await api.call("GET /volumes", 200);
    await api.call("GET /volumes/{name}", 200, { at: "data" });
    await api.call("GET /volumes/{name}", 404, { at: "nothing" });
    const holder = await create({ HostConfig: { Binds: ["data:/data"] } });
    await api.call("GET /containers/{id}/json", 200, { at: holder });
    await api.call("DELETE /volumes/{name}", 409, { at: "data" });
    await api.call("GET /system/df", 200);
    await api.call("DELETE /containers/{id}", 204, { at: holder });
    await api.call("DELETE /volumes/{name}", 204, { at: "data" });
    await api.call("DELETE /volumes/{name}", 404, { at: "data" });
    await api.call("POST /volumes/prune", 200);
    await api.call("PUT /volumes/{name}", 503, { at: "nothing", query: { version: "1" }, json: {} });
  });

  test("networks", async () => {
    await api.call("GET /networks", 200);
    await api.call("GET /networks/{id}", 200, { at: "host" });
    await api.call("GET /networks/{id}", 404, { at: "nothing" });
    const subnet = { Subnet: "10.215.9.0/24", IPRange: "10.215.9.128/25", Gateway: "10.215.9.1" };
    const made = await api.call("POST /networks/create", 201, {
      json: {
        Name: "lan",
        CheckDuplicate: true,
        Driver: "bridge",
        EnableIPv6: true,
        Attachable: true,
        Labels: { a: "b" },
        Options: { "com.docker.network.driver.mtu": "1400" },
        IPAM: {
          Driver: "default",
          Config: [{ ...subnet, AuxiliaryAddresses: { printer: "10.215.9.200" } }, { Subnet: "fd15:9::/64" }],
        },
      },
    });
    // Docker answers so, its description does not say it.
    assert.equal((await engine.request("POST", "/networks/create", { Name: "lan" })).status, 409);
    await api.call("POST /networks/create", 400, {
      json: { Name: "odd", IPAM: { Config: [{ Subnet: "x" }] } },
    });
    await api.call("POST /networks/create", 403, { json: { Name: "host" } });
    await api.call("POST /networks/create", 404, { json: { Name: "odd", Driver: "nothing" } });
    const id = await create({
      Cmd: ["sleep", "1000"],
      ExposedPorts: { "81/tcp": {} },
      HostConfig: {
        NetworkMode: "lan",
        Binds: ["/tmp:/tmp"],
        PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] },
      },
      NetworkingConfig: {
        EndpointsConfig: {
          lan: {
            IPAMConfig: {
              IPv4Address: "10.215.9.7",
              IPv6Address: "fd15:9::7",
              LinkLocalIPs: ["169.254.77.7"],
            },
            Aliases: ["www"],
            Links: ["one:other"],
            DriverOpts: { a: "b" },
            GwPriority: 1,
          },
        },
      },
    });
    await api.call("POST /containers/{id}/start", 204, { at: id });
    const inspected = await api.call("GET /containers/{id}/json", 200, { at: id });
    assert.equal(inspected.NetworkSettings.Networks.lan.IPAddress, "10.215.9.7");
    await api.call("GET /containers/json", 200);
    await api.call("GET /containers/{id}/stats", 200, { at: id, query: { stream: "false" } });
    await api.call("GET /networks/{id}", 200, { at: made.Id, query: { verbose: "1" } });
    await api.call("DELETE /networks/{id}", 403, { at: "lan" });
    await api.call("DELETE /networks/{id}", 403, { at: "bridge" });
    await api.call("DELETE /networks/{id}", 404, { at: "nothing" });
    await api.call("POST /networks/{id}/connect", 200, { at: "bridge", json: { Container: id } });
    await api.call("POST /networks/{id}/connect", 403, { at: "bridge", json: { Container: id } });
    await api.call("POST /networks/{id}/connect", 404, { at: "nothing", json: { Container: id } });
    await api.call("POST /networks/{id}/disconnect", 200, { at: "bridge", json: { Container: id } });
    await api.call("POST /networks/{id}/disconnect", 403, { at: "bridge", json: { Container: id } });
    await api.call("POST /networks/{id}/disconnect", 404, { at: "nothing", json: { Container: id } });
    await api.call("DELETE /containers/{id}", 204, { at: id, query: { force: "1" } });
    await api.call("POST /networks/create", 201, { json: { Name: "idle" } });
    await api.call("DELETE /networks/{id}", 204, { at: "idle" });
    assert.deepEqual((await api.call("POST /networks/prune", 200)).NetworksDeleted, ["lan"]);
  });

  test("what takes a swarm says so, and where there are plugins none are", async () => {
    for (const operation of description.operations) {
      const [method = "", path = ""] = operation.split(" ");
      const json = method === "POST" ? { json: {} } : {};
      if (/^\/(swarm|nodes|services|tasks|secrets|configs)\b/.test(path))
        assert.equal((await api.call(operation, 503, { at: "x", ...json })).message, SWARM);
    }
    assert.deepEqual(await api.call("GET /plugins", 200), []);
    for (const operation of [
      "GET /plugins/{name}/json",
      "DELETE /plugins/{name}",
      "POST /plugins/{name}/enable",
      "POST /plugins/{name}/disable",
      "POST /plugins/{name}/upgrade",
      "POST /plugins/{name}/push",
      "POST /plugins/{name}/set",
    ])
      await api.call(operation, 404, { at: "x" });
  });

  test("what ply has not names what to use instead", async () => {
    const withAlternative = async (method: string, path: string) => {
      const { status, text } = await engine.request(method, path);
      assert.equal(status, 501, `${method} ${path}: ${text}`);
      assert.match(JSON.parse(text).message, /: ./);
    };
    for (const [method, path] of [
      ["GET", "/plugins/privileges"],
      ["POST", "/plugins/pull"],
      ["POST", "/plugins/create"],
      ["POST", "/session"],
    ] as const) {
      api.excuse(`${method} ${path}`);
      await withAlternative(method, path);
    }
    await withAlternative("POST", "/grpc");
    await withAlternative("GET", "/containers/x/checkpoints");
    await withAlternative("POST", "/containers/x/checkpoints");
    await withAlternative("DELETE", "/containers/x/checkpoints/one");
    await withAlternative("GET", "/debug/pprof/heap");
    assert.ok(JSON.parse((await engine.request("GET", "/debug/vars")).text).memstats.rss > 0);
  });

  test("nothing described was left out, and every answer was as described", () => {
    const left = description.operations.filter((operation) => !api.exercised.has(operation));
    assert.deepEqual(left, []);
    assert.deepEqual(api.problems, []);
  });

  test("every field that is described is given, or there is a reason", () => {
    const never = description.fieldsNeverSeen();
    const excused = (field: string) => NOT_GIVEN.some(([fields]) => fields.test(field));
    assert.deepEqual(
      never.filter((field) => !excused(field)),
      [],
    );
  });

  test("every version of the API, and none", async () => {
    for (const path of [
      "/_ping",
      "/version",
      "/info",
      "/containers/json",
      "/images/json",
      "/networks",
      "/volumes",
    ]) {
      for (let minor = 24; minor <= 56; minor++)
        assert.equal((await engine.request("GET", `/v1.${minor}${path}`)).status, 200, `/v1.${minor}${path}`);
      assert.equal((await engine.request("GET", path)).status, 200, path);
    }
    assert.equal((await engine.request("GET", "/v1.57/info")).status, 400);
  });
});
