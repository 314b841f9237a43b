import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, startEngine, type TestEngine } from "../support/ply.ts";
import { exited, until } from "../support/process.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";

describe("states, restart policies and limits", { skip: unless("root") }, () => {
  let engine: TestEngine;
  const inspect = async (name: string) => JSON.parse((await engine.must(["inspect", name])).stdout)[0];
  const stateOf = async (name: string): Promise<string> => (await inspect(name)).State.Status;
  const run = async (...args: string[]): Promise<void> => {
    await engine.must(["run", "-d", "--network", "none", ...args]);
  };
  const fails = async (args: string[], words: RegExp, code = 1): Promise<void> => {
    const ran = await engine.ply(args);
    assert.equal(ran.code, code, ran.stderr);
    assert.match(ran.stderr, words);
  };
  const docker = async (...args: string[]): Promise<string> => {
    const ran = await engine.docker(args);
    assert.equal(ran.code, 0, `docker ${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  };

  before(async () => {
    engine = await startEngine();
    await engine.must(["import", "-c", 'CMD ["sh"]', "-", "bb:1"], { stdin: tarball(busyboxMembers()) });
  });
  after(() => engine[Symbol.asyncDispose]());

  test("pause, unpause and what a paused container refuses", async () => {
    await run("--name", "pp", "bb:1", "sleep", "1000");
    await fails(["unpause", "pp"], /Container [0-9a-f]{64} is not paused/);
    assert.equal((await engine.must(["pause", "pp"])).stdout, "pp\n");
    assert.equal(await stateOf("pp"), "paused");
    assert.match((await engine.must(["ps"])).stdout, /Up .*\(Paused\)/);
    assert.match(await docker("ps", "--filter", "status=paused"), /\(Paused\)/);
    await fails(["pause", "pp"], /Container [0-9a-f]{64} is already paused/);
    await fails(["start", "pp"], /cannot start a paused container, try unpause instead/);
    await fails(
      ["rm", "pp"],
      /cannot remove container "\/pp": container is paused and must be unpaused first/,
    );
    assert.equal((await engine.request("POST", "/containers/pp/start")).status, 409);
    await docker("unpause", "pp");
    assert.equal(await stateOf("pp"), "running");
    assert.equal((await engine.request("POST", "/containers/pp/start")).status, 304);
    await docker("pause", "pp");
    await engine.must(["stop", "-t", "0", "pp"]);
    assert.equal(await stateOf("pp"), "exited");
    await fails(["pause", "pp"], /Container [0-9a-f]{64} is not running/);
    assert.equal((await engine.request("POST", "/containers/pp/stop")).status, 304);
    await engine.must(["rm", "pp"]);
  });

  test("a paused container stays so under the next engine, and dies of SIGKILL", async () => {
    await run("--name", "p2", "bb:1", "sleep", "1000");
    await engine.must(["pause", "p2"]);
    await engine.restart("SIGKILL");
    assert.equal(await stateOf("p2"), "paused");
    await engine.must(["kill", "p2"]);
    const { State } = await inspect("p2");
    assert.deepEqual([State.Status, State.ExitCode], ["exited", 137]);
    await engine.must(["start", "p2"]);
    await engine.must(["pause", "p2"]);
    await engine.must(["rm", "-f", "p2"]);
  });

  test("restart, with --rm too, and rename", async () => {
    await run("--name", "rr", "--rm", "bb:1", "sleep", "1000");
    const before = await inspect("rr");
    assert.equal((await engine.must(["restart", "-t", "0", "rr"])).stdout, "rr\n");
    const later = await inspect("rr");
    assert.notEqual(later.State.Pid, before.State.Pid);
    assert.equal(later.State.Status, "running");
    await docker("restart", "-t", "0", "rr");
    await engine.must(["rename", "rr", "r2"]);
    await docker("rename", "r2", "r3");
    assert.equal((await inspect("r3")).Id, before.Id);
    await fails(["inspect", "rr"], /no such|not found/i);
    await run("--name", "other", "bb:1", "true");
    await fails(
      ["rename", "other", "r3"],
      /Error when allocating new name: Conflict\. The container name "\/r3"/,
    );
    await fails(["rename", "other", "other"], /same name as its current name/);
    await engine.must(["restart", "-t", "0", "other"]);
    await engine.must(["rm", "-f", "r3", "other"]);
  });

  test("on-failure:N restarts N times; the wait ends with the first run", async () => {
    await run("--name", "ff", "--restart", "on-failure:2", "bb:1", "sh", "-c", "echo x >> /runs; exit 3");
    await until("it has given up", async () => (await stateOf("ff")) === "exited");
    const { RestartCount, State, HostConfig } = await inspect("ff");
    assert.equal(RestartCount, 2);
    assert.equal(State.ExitCode, 3);
    assert.deepEqual(HostConfig.RestartPolicy, { Name: "on-failure", MaximumRetryCount: 2 });
    await engine.must(["rm", "ff"]);
  });

  test("always restarts with growing delays until it is stopped by hand", async () => {
    await run("--name", "aa", "--restart", "always", "bb:1", "true");
    await until("it waits for its restart", async () => (await stateOf("aa")) === "restarting");
    await until("it was restarted", async () => (await inspect("aa")).RestartCount >= 2);
    await until("ps says so", async () => /Restarting \(0\) .* ago/.test((await engine.must(["ps"])).stdout));
    await engine.must(["stop", "aa"]);
    assert.equal(await stateOf("aa"), "exited");
    await engine.must(["rm", "aa"]);
  });

  test("after an engine that died with its containers, those that are to run run", async () => {
    await run("--name", "uu", "--restart", "unless-stopped", "bb:1", "sleep", "1000");
    await run("--name", "ss", "--restart", "unless-stopped", "bb:1", "sleep", "1000");
    await run("--name", "ww", "--restart", "always", "bb:1", "sleep", "1000");
    await run("--name", "nn", "bb:1", "sleep", "1000");
    await engine.must(["stop", "-t", "0", "ss", "ww"]);
    const pids = await Promise.all(
      ["uu", "nn"].map(async (name) => (await inspect(name)).State.Pid as number),
    );
    await engine.kill("SIGKILL");
    for (const pid of pids) process.kill(pid, "SIGKILL");
    await engine.start();
    for (const name of ["uu", "ww"])
      await until(`${name} runs`, async () => (await stateOf(name)) === "running");
    assert.equal(await stateOf("ss"), "exited");
    await until("the end of n is known", async () => (await stateOf("nn")) === "exited");
    await engine.must(["rm", "-f", "uu", "ss", "ww", "nn"]);
  });

  test("limits are in force, and change while it runs", async () => {
    const limits = [
      "-m",
      "64m",
      "--cpus",
      "0.5",
      "--pids-limit",
      "20",
      "--cpu-shares",
      "512",
      "--cpuset-cpus",
      "0",
    ];
    await run("--name", "ll", ...limits, "bb:1", "sleep", "1000");
    const { HostConfig } = await inspect("ll");
    assert.equal(HostConfig.Memory, 64 * 2 ** 20);
    assert.equal(HostConfig.NanoCpus, 500_000_000);
    assert.equal(HostConfig.PidsLimit, 20);
    const limitOf = async () => {
      const { text } = await engine.request("GET", "/containers/ll/stats?stream=0&one-shot=1");
      const { memory_stats, pids_stats } = JSON.parse(text);
      return [memory_stats.limit, pids_stats.limit];
    };
    assert.deepEqual(await limitOf(), [64 * 2 ** 20, 20]);
    await engine.must(["update", "-m", "96m", "--memory-swap", "192m", "--pids-limit", "30", "ll"]);
    assert.deepEqual(await limitOf(), [96 * 2 ** 20, 30]);
    await engine.must(["update", "--pids-limit", "-1", "ll"]);
    assert.deepEqual(await limitOf(), [96 * 2 ** 20, undefined]);
    await docker(
      "update",
      "--memory",
      "48m",
      "--memory-swap",
      "96m",
      "--cpus",
      "1",
      "--restart",
      "always",
      "ll",
    );
    assert.equal((await limitOf())[0], 48 * 2 ** 20);
    const updated = (await inspect("ll")).HostConfig;
    assert.equal(updated.NanoCpus, 1_000_000_000);
    assert.equal(updated.CpuShares, 512);
    assert.equal(updated.RestartPolicy.Name, "always");
    await fails(
      ["update", "--cpu-quota", "50000", "ll"],
      /CPU Quota cannot be updated as NanoCPUs has already been set/,
    );
    await engine.must(["rm", "-f", "ll"]);
  });

  test("limits that cannot be are refused in Docker's words", async () => {
    const refused = (flags: string[], words: RegExp) =>
      fails(["run", "--network", "none", ...flags, "bb:1", "true"], words, 125);
    await refused(["-m", "1m"], /Minimum memory limit allowed is 6MB/);
    await refused(["--memory-swap", "64m"], /always set the Memory limit when using Memoryswap/);
    await refused(["--cpus", "4000"], /Range of CPUs is from 0\.01 to \d+\.00/);
    await refused(["--cpus", "1", "--cpu-quota", "5000"], /Nano CPUs and CPU Quota cannot both be set/);
    await refused(["--cpuset-cpus", "900"], /Requested CPUs are not available - requested 900/);
    await refused(
      ["--restart", "always", "--rm"],
      /conflicting options: cannot specify both --restart and --rm/,
    );
    await refused(["--restart", "always:3"], /maximum retry count can only be used with 'on-failure'/);
    const both = await engine.request("POST", "/containers/create", {
      Image: "bb:1",
      HostConfig: { AutoRemove: true, RestartPolicy: { Name: "always" } },
    });
    assert.equal(both.status, 400);
    assert.match(both.text, /can't create 'AutoRemove' container with restart policy/);
  });

  test("running out of memory is recorded and told", async () => {
    const since = Math.floor(Date.now() / 1000) - 1;
    const eat = 'x=$(head -c 1000000 /dev/zero | tr "\\\\0" x); while true; do x="$x$x"; done';
    const ran = await engine.ply([
      ...["run", "--name", "oom", "--network", "none", "-m", "16m", "--memory-swap", "16m"],
      ...["bb:1", "sh", "-c", eat],
    ]);
    assert.equal(ran.code, 137);
    assert.equal((await inspect("oom")).State.OOMKilled, true);
    const events = await engine.must([
      "events",
      "--since",
      String(since),
      "--until",
      "0s",
      "--filter",
      "event=oom",
    ]);
    assert.match(events.stdout, /container oom /);
    await engine.must(["rm", "oom"]);
  });

  test("stats: the table, templates, several containers, a stream that ends with them", async () => {
    await run("--name", "s1", "bb:1", "sh", "-c", "while true; do :; done");
    await run("--name", "s2", "bb:1", "sleep", "1000");
    const { stdout } = await engine.must(["stats", "--no-stream", "s1", "s2"]);
    const [head = "", first = "", second = ""] = stdout.split("\n");
    assert.match(
      head,
      /^CONTAINER ID {3}NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS$/,
    );
    assert.match(
      first,
      /^[0-9a-f]{12} {3}s1 +\d+\.\d\d% +[\d.]+[KM]iB \/ [\d.]+GiB +\d+\.\d\d% +.*B \/ .*B +1$/,
    );
    assert.match(second, /s2 +0\.\d\d%/);
    assert.ok(Number(/ s1 +([\d.]+)%/.exec(first)?.[1]) > 1, "a busy loop uses the processor");
    assert.match(await docker("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "s2"), /^s2 1\n$/);
    const live = spawn(PLY_BINARY, ["stats", "--format", "{{.Name}}", "s1", "s2"], {
      env: { ...process.env, PLY_HOST: engine.host },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    live.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    await until("it shows both", () => /s1\ns2\n/.test(said));
    await engine.must(["rm", "-f", "s1", "s2"]);
    await exited(live);
    assert.equal(live.exitCode, 0);
  });
});
