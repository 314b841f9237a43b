import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import type { ContainerStatus, ProcessOptions } from "./containers.ts";
import { parseBind, wantedMounts } from "./mount-option.ts";
import { checkName, freeName } from "./name.ts";
import { commandLine, mergeEnv, mergeProcess, NO_PROCESS_OPTIONS, processEnv } from "./process-config.ts";
import { parseSignal } from "./signal.ts";
import { canBecome, nextStatus } from "./state.ts";

const invalid = (error: unknown) => isPlyError(error, "invalid");

test("the table of states is whole: every status, every step", () => {
  const all: ContainerStatus[] = ["created", "running", "exited", "removing", "dead"];
  const steps = all.flatMap((from) => all.filter((to) => canBecome(from, to)).map((to) => `${from} ${to}`));
  assert.deepEqual(steps, [
    "created created",
    "created running",
    "created removing",
    "running exited",
    "exited running",
    "exited exited",
    "exited removing",
    "removing removing",
    "removing dead",
    "dead removing",
  ]);
  assert.throws(
    () => nextStatus("running", "removing", "c1"),
    (error) => isPlyError(error, "conflict"),
  );
});

test("names: two words, a free one always found, bad ones refused", () => {
  assert.match(
    freeName(() => false),
    /^[a-z]+_[a-z]+$/,
  );
  assert.match(
    freeName((name) => !/\d$/.test(name)),
    /^[a-z]+_[a-z]+\d+$/,
  );
  for (const name of ["a1", "A.b_c-d"]) checkName(name);
  for (const name of ["", "a", "-a", "a b", "a/b", "ä1", "a".repeat(256)])
    assert.throws(() => checkName(name), invalid);
});

test("signals by name, number and distance from the real-time ends", () => {
  const cases = {
    SIGTERM: 15,
    term: 15,
    KILL: 9,
    "9": 9,
    SIGUSR1: 10,
    RTMIN: 34,
    "sigrtmin+3": 37,
    "RTMAX-1": 63,
  };
  for (const [text, number] of Object.entries(cases)) assert.equal(parseSignal(text), number, text);
  for (const text of ["", "0", "65", "-1", "NOPE", "RTMIN-1", "RTMAX+1", "15x", "1e1"])
    assert.throws(() => parseSignal(text), invalid, text);
});

test("Docker's -v forms", () => {
  const rest = { readOnly: false, propagation: "rprivate", noCopy: false };
  assert.deepEqual(parseBind("/a:/b"), { ...rest, kind: "bind", source: "/a", target: "/b" });
  assert.deepEqual(parseBind("/a/../c/:/b/./d/:ro,rshared"), {
    ...rest,
    kind: "bind",
    source: "/c",
    target: "/b/d",
    readOnly: true,
    propagation: "rshared",
    mode: "ro,rshared",
  });
  assert.deepEqual(parseBind("data:/b:nocopy,z"), {
    ...rest,
    kind: "volume",
    source: "data",
    target: "/b",
    noCopy: true,
    mode: "nocopy,z",
  });
  assert.deepEqual(parseBind("/b"), { ...rest, kind: "volume", source: null, target: "/b" });
  // As dockerd says it.
  const type = (kind: string, why: string) => `: invalid mount config for type "${kind}": ${why}`;
  const absolute = (path: string) => `invalid mount path: '${path}' mount path must be absolute`;
  const bad = {
    "": "",
    ":/b": "",
    "/data:ro": "",
    "/a:/b:ro:rw": "",
    b: type("volume", absolute("b")),
    "/": type("volume", "invalid specification: destination can't be '/'"),
    "/a:/": type("bind", "invalid specification: destination can't be '/'"),
    "/a:b": type("bind", absolute("b")),
    "/a::ro": type("bind", "field Target must not be empty"),
    "/a:/b:nocopy": type("bind", "field VolumeOptions must not be specified"),
    "n:/b:shared": type("volume", "field BindOptions must not be specified"),
  };
  for (const [bind, why] of Object.entries(bad))
    assert.throws(() => parseBind(bind), {
      kind: "invalid",
      message: `invalid volume specification: '${bind}'${why}`,
    });
  for (const mode of ["nope", "ro,rw", "ro,ro", "shared,slave"])
    assert.throws(() => parseBind(`/a:/b:${mode}`), { kind: "invalid", message: `invalid mode: ${mode}` });
  assert.equal(parseBind("/a:/b:").readOnly, false);
});

test("the image's volumes where nothing else lies; no place twice", () => {
  const targets = wantedMounts({ binds: ["/h:/data", "v:/x"] }, ["/data", "more"]).map(
    ({ target, source }) => [target, source],
  );
  assert.deepEqual(targets, [
    ["/data", "/h"],
    ["/x", "v"],
    ["/more", null],
  ]);
  assert.throws(() => wantedMounts({ binds: ["/a:/x", "b:/x/"] }, []), /Duplicate mount point: \/x/);
});

test("entrypoint and command: one's own entrypoint takes the image's command away", () => {
  const image = { Entrypoint: ["entry"], Cmd: ["cmd"] };
  const line = (over: Partial<ProcessOptions>) =>
    commandLine(mergeProcess(image, { ...NO_PROCESS_OPTIONS, ...over }));
  assert.deepEqual(line({}), ["entry", "cmd"]);
  assert.deepEqual(line({ cmd: ["x"] }), ["entry", "x"]);
  assert.deepEqual(line({ entrypoint: ["e"] }), ["e"]);
  assert.deepEqual(line({ entrypoint: [], cmd: ["x"] }), ["x"]);
  assert.throws(() => line({ entrypoint: [] }), /no command specified/);
  assert.throws(() => mergeProcess({}, NO_PROCESS_OPTIONS), invalid);
});

test("settings are laid over the image's, which stays as it was", () => {
  const image = Object.freeze({
    Cmd: ["sh"],
    User: "web",
    WorkingDir: "/srv",
    Env: ["A=1", "B=2"],
    Labels: { x: "1", y: "2" },
    ExposedPorts: { "80/tcp": {} },
    StopSignal: "SIGQUIT",
    Volumes: { "/v": {} },
  });
  const merged = mergeProcess(image, {
    ...NO_PROCESS_OPTIONS,
    env: ["B=3", "A", "C=4"],
    labels: { y: "3" },
    workingDir: "/tmp",
    exposedPorts: ["53/udp"],
  });
  assert.deepEqual(merged, {
    ...image,
    Entrypoint: null,
    WorkingDir: "/tmp",
    Env: ["B=3", "C=4"],
    Labels: { x: "1", y: "3" },
    ExposedPorts: { "80/tcp": {}, "53/udp": {} },
  });
});

test("the process's environment: defaults give way, the last word wins", () => {
  assert.deepEqual(mergeEnv(["A=1", "A=2=3"], ["EMPTY="]), ["A=2=3", "EMPTY="]);
  const own = { hostname: "box", home: "/root", terminal: true, linked: ["DB_NAME=/box/db"] };
  assert.deepEqual(processEnv({ Env: ["PATH=/bin", "X=y"] }, own), [
    "PATH=/bin",
    "HOSTNAME=box",
    "TERM=xterm",
    "DB_NAME=/box/db",
    "X=y",
    "HOME=/root",
  ]);
  assert.deepEqual(
    processEnv({ Env: ["HOME=/h", "HOSTNAME=other", "DB_NAME=x"] }, { ...own, terminal: false }),
    [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOSTNAME=other",
      "DB_NAME=x",
      "HOME=/h",
    ],
  );
});
