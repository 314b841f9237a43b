import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { type Ran, until } from "../support/process.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";

let engine: TestEngine;
/** Well while /well is there; says how often it was asked. */
const CHECK = "echo asked; cat /well";

const clients: readonly (readonly [string, (args: string[]) => Promise<Ran>])[] = [
  ["ply", (args) => engine.ply(args)],
  ["docker", (args) => engine.docker(args)],
];

describe("health checks", { skip: unless("root", "crun", "conmon", "docker") }, () => {
  before(async () => {
    engine = await startEngine();
    const change = `HEALTHCHECK --interval=100ms --retries=2 CMD ${CHECK}`;
    await engine.must(["import", "-c", 'CMD ["sleep", "1000"]', "-c", change, "-", "bb:1"], {
      stdin: tarball(busyboxMembers()),
    });
  });
  after(() => engine[Symbol.asyncDispose]());

  for (const [name, client] of clients)
    describe(name, () => {
      const ok = async (args: string[]): Promise<string> => {
        const ran = await client(args);
        assert.equal(ran.code, 0, `${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
        return ran.stdout;
      };
      const run = ["run", "-d", "--network", "none"];
      const stateOf = async (container: string) => JSON.parse(await ok(["inspect", container]))[0].State;
      const becomes = (container: string, status: string) =>
        until(`${container} is ${status}`, async () => (await stateOf(container)).Health?.Status === status);
      const psOf = async (container: string) =>
        (await ok(["ps", "-a", "--filter", `name=^${container}$`, "--format", "{{.Status}}"])).trim();

      test("the image's check: starting, healthy, unhealthy, healthy; ps, filter, events, log", async () => {
        const box = `box-${name}`;
        const since = String(Math.floor(Date.now() / 1000));
        await ok([...run, "--name", box, "--health-interval", "1m", "bb:1"]);
        assert.equal((await stateOf(box)).Health.Status, "starting");
        assert.match(await psOf(box), /^Up .* \(health: starting\)$/);
        await ok(["rm", "-f", box]);

        await ok([...run, "--name", box, "bb:1", "sh", "-c", "touch /well; sleep 1000"]);
        await becomes(box, "healthy");
        assert.match(await psOf(box), /^Up .* \(healthy\)$/);
        assert.equal((await ok(["ps", "--filter", "health=healthy", "--format", "{{.Names}}"])).trim(), box);
        await ok(["exec", box, "rm", "/well"]);
        await becomes(box, "unhealthy");
        const { Health } = await stateOf(box);
        assert.ok(Health.FailingStreak >= 2, String(Health.FailingStreak));
        const last = Health.Log.at(-1);
        assert.equal(last.ExitCode, 1);
        assert.match(last.Output, /^asked\ncat: can't open '\/well'/);
        assert.ok(Date.parse(last.End) >= Date.parse(last.Start));
        await until("five results are kept", async () => (await stateOf(box)).Health.Log.length === 5);

        // An engine that goes and comes back goes on with what it knew.
        await engine.restart("SIGKILL");
        assert.equal((await stateOf(box)).Health.Status, "unhealthy");
        await ok(["exec", box, "touch", "/well"]);
        await becomes(box, "healthy");
        assert.equal((await stateOf(box)).Health.FailingStreak, 0);
        const until_ = String(Math.ceil(Date.now() / 1000) + 1);
        const events = await ok([
          "events",
          "--since",
          since,
          "--until",
          until_,
          "--filter",
          `container=${box}`,
        ]);
        assert.match(events, /health_status: healthy/);
        await ok(["rm", "-f", box]);
      });

      test("flags over the image's; none at all; a check that takes too long; the time to get ready", async () => {
        const made = await ok(["create", "--health-retries", "7", "--health-timeout", "2s", "bb:1"]);
        const [{ Config }] = JSON.parse(await ok(["inspect", made.trim()]));
        assert.deepEqual(Config.Healthcheck, {
          Test: ["CMD-SHELL", CHECK],
          Interval: 1e8,
          Timeout: 2e9,
          Retries: 7,
        });
        await ok(["rm", made.trim()]);

        await ok([...run, "--name", `none-${name}`, "--no-healthcheck", "bb:1"]);
        const slow = [
          "--health-cmd",
          "sleep 99 & sleep 98; true",
          "--health-timeout",
          "200ms",
          "--health-retries",
          "1",
        ];
        await ok([...run, "--name", `slow-${name}`, ...slow, "bb:1"]);
        const ready = ["--health-cmd", "false", "--health-retries", "1", "--health-start-period", "1h"];
        await ok([...run, "--name", `ready-${name}`, ...ready, "--health-start-interval", "50ms", "bb:1"]);
        await becomes(`slow-${name}`, "unhealthy");
        const { Health } = await stateOf(`slow-${name}`);
        assert.equal(Health.Log[0].ExitCode, -1);
        assert.match(Health.Log[0].Output, /^Health check exceeded timeout/);
        // Each is ended with what it started: of several probes no more than the last one is there.
        await until("it was asked again", async () => (await stateOf(`slow-${name}`)).Health.Log.length >= 3);
        await until("only the last probe is there", async () => {
          const left = (await ok(["top", `slow-${name}`])).match(/sleep 9[89]/g) ?? [];
          return left.length <= 2;
        });
        await until("it was asked", async () => (await stateOf(`ready-${name}`)).Health.Log.length >= 2);
        const getting = (await stateOf(`ready-${name}`)).Health;
        assert.deepEqual([getting.Status, getting.FailingStreak], ["starting", 0]);
        assert.equal((await stateOf(`none-${name}`)).Health, undefined);
        assert.match(await psOf(`none-${name}`), /^Up [^(]*$/);
        await ok(["rm", "-f", `none-${name}`, `slow-${name}`, `ready-${name}`]);
      });
    });

  test("--on-unhealthy: stopped, or started again", async () => {
    const check = ["--health-cmd", "false", "--health-interval", "50ms", "--health-retries", "1"];
    const run = ["run", "-d", "--network", "none", "--stop-timeout", "0", ...check];
    await engine.must([...run, "--name", "stops", "--on-unhealthy", "stop", "bb:1"]);
    await engine.must([...run, "--name", "again", "--on-unhealthy", "restart", "bb:1"]);
    const inspect = async (name: string) => JSON.parse((await engine.must(["inspect", name])).stdout)[0];
    await until("it stops", async () => (await inspect("stops")).State.Status === "exited");
    const { State, HostConfig } = await inspect("again");
    assert.equal(HostConfig.OnUnhealthy, "restart");
    await until("it runs again", async () => (await inspect("again")).State.StartedAt > State.StartedAt);
  });
});
