import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { compatibilityTable, FLAGS, WHOLE_GROUPS } from "../support/docker-cli-answers.ts";
import { type DockerCommand, dockerCommands } from "../support/docker-cli-help.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { must } from "../support/process.ts";

/** Newest first. */
const CLIENTS = ["/usr/local/bin/docker", "/usr/bin/docker"];
const PAGE = "docs/compatibility.md";
const BEGIN = "<!-- made by test/conformance/docker-cli.test.ts; UPDATE=1 makes it anew -->\n";

describe("the docker client, command by command", {
  skip: unless("root", ...CLIENTS.map((it) => `file:${it}`)),
}, () => {
  let engine: TestEngine;
  let dir = "";
  let newest: readonly DockerCommand[] = [];
  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "ply-cli-"));
    engine = await startEngine();
    await importBusybox(engine);
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  test(`${PAGE} has every command and flag of both clients`, async () => {
    const whole = new Set(Object.keys(WHOLE_GROUPS));
    const clients: { version: string; commands: DockerCommand[] }[] = [];
    for (const client of CLIENTS) {
      const version = /(\d+\.\d+)\.\d+/.exec((await must(client, ["--version"])).stdout)?.[1] ?? "";
      clients.push({ version, commands: await dockerCommands(client, whole) });
    }
    newest = clients[0]?.commands ?? [];
    const text = readFileSync(PAGE, "utf8");
    const above = text.slice(0, text.indexOf(BEGIN) + BEGIN.length);
    // The page is about these clients; others may be installed elsewhere.
    const named = clients.every(({ version }) => above.includes(`docker ${version}`));
    if (!named)
      return console.warn(
        `skipped: the table is about other clients than ${clients.map((it) => it.version)}`,
      );
    const page = above + compatibilityTable(clients);
    if (process.env["UPDATE"] !== undefined) writeFileSync(PAGE, page);
    assert.equal(readFileSync(PAGE, "utf8"), page);
  });

  test("every flag of create does what the page says", async () => {
    await engine.must([
      "network",
      "create",
      "--subnet",
      "10.211.99.0/24",
      "--subnet",
      "fd00:99::/64",
      "--ipv6",
      "made",
    ]);
    await engine.must(["create", "--name", "lender", "-v", "/lent", "bb:1"]);
    writeFileSync(join(dir, "env"), "A=b\n");
    const flags = newest.find(({ name }) => name === "create")?.flags ?? [];
    const unsaid = flags.filter(
      (flag) => !Object.hasOwn(SAMPLES, flag) && !Object.hasOwn(FLAGS["create"] ?? {}, flag),
    );
    assert.deepEqual(unsaid, [], "flags without a sample and without a word on the page");
    const wrong: string[] = [];
    const queue = Object.entries(SAMPLES).filter(([flag]) => flags.includes(flag));
    const worker = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const [flag, [value, ...more]] = next;
        const words = [value === undefined ? `--${flag}` : `--${flag}=${value.replace("DIR", dir)}`, ...more];
        const { code, stderr } = await engine.docker(["create", ...words, "bb:1", "true"]);
        if (code !== 0 || stderr.trim() !== "") wrong.push(`--${flag}: ${code}: ${stderr.trim()}`);
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    assert.deepEqual(wrong, []);
  });
});

/** A value for every flag of `docker create` that works, with what it needs beside it; nothing: a switch. */
const SAMPLES: Readonly<Record<string, readonly [value?: string, ...more: string[]]>> = {
  "add-host": ["a:1.2.3.4"],
  annotation: ["a=b"],
  attach: ["stdout"],
  "cap-add": ["SYS_ADMIN"],
  "cap-drop": ["CHOWN"],
  cgroupns: ["private"],
  "cgroup-parent": ["/builds"],
  cidfile: ["DIR/cid"],
  "cpu-period": ["100000"],
  "cpu-quota": ["50000"],
  "cpu-rt-period": ["1000000"],
  "cpu-rt-runtime": ["0"],
  "cpu-shares": ["512"],
  cpus: ["0.5"],
  "cpuset-cpus": ["0"],
  "cpuset-mems": ["0"],
  device: ["/dev/null"],
  "device-cgroup-rule": ["c 1:3 rwm"],
  "device-read-bps": ["/dev/null:1mb"],
  "device-read-iops": ["/dev/null:10"],
  "device-write-bps": ["/dev/null:1mb"],
  "device-write-iops": ["/dev/null:10"],
  dns: ["1.1.1.1"],
  "dns-option": ["ndots:1"],
  "dns-search": ["example.org"],
  domainname: ["example.org"],
  entrypoint: ["true"],
  env: ["A=b"],
  "env-file": ["DIR/env"],
  expose: ["80"],
  "group-add": ["50"],
  "health-cmd": ["true"],
  "health-interval": ["1s"],
  "health-retries": ["1"],
  "health-start-interval": ["1s"],
  "health-start-period": ["1s"],
  "health-timeout": ["1s"],
  hostname: ["here"],
  init: [],
  interactive: [],
  ip: ["10.211.99.9", "--network=made"],
  ip6: ["fd00:99::9", "--network=made"],
  ipc: ["private"],
  isolation: ["default"],
  label: ["a=b"],
  "label-file": ["DIR/env"],
  link: ["lender:alias"],
  "link-local-ip": ["169.254.1.1", "--network=made"],
  "log-driver": ["json-file"],
  "log-opt": ["max-size=1m"],
  "mac-address": ["02:42:ac:11:00:09"],
  memory: ["64m"],
  "memory-reservation": ["32m"],
  "memory-swap": ["-1"],
  "memory-swappiness": ["10"],
  mount: ["type=tmpfs,target=/t"],
  name: ["named"],
  network: ["made"],
  "network-alias": ["other", "--network=made"],
  "no-healthcheck": [],
  "oom-score-adj": ["100"],
  pid: ["host"],
  "pids-limit": ["100"],
  platform: [`linux/${process.arch === "x64" ? "amd64" : process.arch}`],
  privileged: [],
  publish: ["127.0.0.1::80"],
  "publish-all": [],
  pull: ["never"],
  quiet: [],
  "read-only": [],
  restart: ["no"],
  rm: [],
  runtime: ["crun"],
  "security-opt": ["no-new-privileges"],
  "shm-size": ["32m"],
  "stop-signal": ["SIGINT"],
  "stop-timeout": ["1"],
  sysctl: ["net.ipv4.ip_forward=1"],
  tmpfs: ["/t"],
  tty: [],
  ulimit: ["nofile=100"],
  "use-api-socket": [],
  user: ["1000"],
  userns: ["host"],
  uts: ["host"],
  volume: ["data:/v"],
  "volume-driver": ["local"],
  "volumes-from": ["lender"],
  workdir: ["/tmp"],
};
