import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { until } from "../support/process.ts";

/**
 * A random walk over the table of states: every request's status code and the state after it are as a small model
 * has them, while the engine, monitors and containers are killed in between; in the end nothing is left.
 * `PLY_WALK_STEPS` and `PLY_WALK_SEED` (printed when it fails) make it longer, and the same again.
 */
const STEPS = Number(process.env["PLY_WALK_STEPS"] ?? 1000);
const SEED = Number(process.env["PLY_WALK_SEED"] ?? Date.now() % 1_000_000);
const TIME_LIMIT_MS = STEPS * 400 + 60_000;

type Kind = "plain" | "always" | "removes-itself";
/** `reviving`: its policy starts it again, has done so or will. */
type Status = "absent" | "created" | "running" | "paused" | "exited" | "reviving";

interface Walker {
  readonly name: string;
  readonly kind: Kind;
  status: Status;
}

/** Mulberry32: small, and the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What ends its process for good by hand. */
const ended = (kind: Kind): Status => (kind === "removes-itself" ? "absent" : "exited");
/** What follows a process that dies by itself. */
const died = (kind: Kind): Status => (kind === "always" ? "reviving" : ended(kind));

type Answer = readonly [code: number, after: Status];

const REQUESTS: Readonly<
  Record<
    string,
    {
      readonly method: string;
      readonly path: (name: string) => string;
      readonly answer: (status: Status, kind: Kind) => Answer | undefined;
    }
  >
> = {
  start: {
    method: "POST",
    path: (name) => `/containers/${name}/start`,
    answer: (status) =>
      status === "paused" ? [409, status] : isActive(status) ? [304, status] : [204, "running"],
  },
  stop: {
    method: "POST",
    path: (name) => `/containers/${name}/stop?t=0`,
    answer: (status, kind) => (isActive(status) ? [204, ended(kind)] : [304, status]),
  },
  kill: {
    method: "POST",
    path: (name) => `/containers/${name}/kill`,
    answer: (status, kind) => (isActive(status) ? [204, ended(kind)] : [409, status]),
  },
  pause: {
    method: "POST",
    path: (name) => `/containers/${name}/pause`,
    answer: (status) =>
      status === "reviving" ? undefined : status === "running" ? [204, "paused"] : [409, status],
  },
  unpause: {
    method: "POST",
    path: (name) => `/containers/${name}/unpause`,
    answer: (status) => (status === "paused" ? [204, "running"] : [409, status]),
  },
  restart: {
    method: "POST",
    path: (name) => `/containers/${name}/restart?t=0`,
    answer: () => [204, "running"],
  },
  update: {
    method: "POST",
    path: (name) => `/containers/${name}/update`,
    // Of one whose process has died this moment limits cannot be changed.
    answer: (status) => (status === "reviving" ? undefined : [200, status]),
  },
  remove: {
    method: "DELETE",
    path: (name) => `/containers/${name}`,
    answer: (status) => (isActive(status) ? [409, status] : [204, "absent"]),
  },
  "remove by force": {
    method: "DELETE",
    path: (name) => `/containers/${name}?force=1&v=1`,
    answer: () => [204, "absent"],
  },
};

function isActive(status: Status): boolean {
  return status === "running" || status === "paused" || status === "reviving";
}

describe(`a walk of ${STEPS} steps over the states (seed ${SEED})`, {
  skip: unless("root", "crun", "conmon"),
}, () => {
  let engine: TestEngine;
  const ids = new Set<string>();
  before(async () => {
    engine = await startEngine();
    await importBusybox(engine);
  });
  after(() => engine[Symbol.asyncDispose]());

  const inspect = async (name: string) => {
    const { status, text } = await engine.request("GET", `/containers/${name}/json`);
    return status === 404 ? undefined : JSON.parse(text);
  };
  const create = async ({ name, kind }: Walker): Promise<number> => {
    const { status, text } = await engine.request("POST", `/containers/create?name=${name}`, {
      Image: "bb:1",
      Cmd: ["sleep", "100000"],
      HostConfig: {
        NetworkMode: "none",
        AutoRemove: kind === "removes-itself",
        RestartPolicy: { Name: kind === "always" ? "always" : "no" },
      },
    });
    if (status === 201) ids.add(JSON.parse(text).Id);
    return status;
  };
  const send = (operation: string, name: string) => {
    const { method, path } = REQUESTS[operation] ?? assert.fail(operation);
    return engine.request(method, path(name), operation === "update" ? { CpuShares: 512 } : undefined);
  };
  const observed = async (name: string): Promise<string> => (await inspect(name))?.State.Status ?? "absent";
  const fits = (seen: string, status: Status): boolean =>
    status === "reviving" ? seen === "running" || seen === "restarting" : seen === status;
  const settles = (walker: Walker, status: Status): Promise<unknown> =>
    until(`${walker.name} (${walker.kind}) is ${status}`, async () =>
      fits(await observed(walker.name), status),
    );

  test("codes and states are the model's, whatever is killed", {
    timeout: TIME_LIMIT_MS + 60_000,
  }, async () => {
    const random = randomOf(SEED);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    const walkers: Walker[] = [
      { name: "plain-1", kind: "plain", status: "absent" },
      { name: "plain-2", kind: "plain", status: "absent" },
      { name: "always-1", kind: "always", status: "absent" },
      { name: "removed-1", kind: "removes-itself", status: "absent" },
    ];
    const trail: string[] = [];
    /** What an engine finds when it starts, and what it does with it. */
    const afterEngineStart = async (): Promise<void> => {
      for (const walker of walkers) {
        if (walker.kind === "always" && walker.status === "exited") walker.status = "reviving";
        // Nobody starts what was to go with its end.
        if (walker.kind === "removes-itself" && !isActive(walker.status)) walker.status = "absent";
        await settles(walker, walker.status);
      }
    };
    const pidOf = async ({ name }: Walker): Promise<number> => (await inspect(name)).State.Pid;
    const kill = (pid: number): void => {
      assert.ok(pid > 1, `a process to kill: ${pid}`);
      process.kill(pid, "SIGKILL");
    };
    const CRASHES: Readonly<Record<string, (walker: Walker) => Promise<void>>> = {
      "kill the engine": async () => {
        await engine.restart("SIGKILL");
        await afterEngineStart();
      },
      "kill the process": async (walker) => {
        if (walker.status !== "running") return;
        kill(await pidOf(walker));
        walker.status = died(walker.kind);
        await settles(walker, walker.status);
      },
      "kill the monitor": async (walker) => {
        if (walker.status !== "running" && walker.status !== "paused") return;
        const { Id } = await inspect(walker.name);
        kill(Number(readFileSync(join(engine.runRoot, "runtime/bundles", Id, "conmon.pid"), "utf8")));
        walker.status = died(walker.kind);
        await settles(walker, walker.status);
      },
      "kill the process while no engine runs": async (walker) => {
        const isRunning = walker.status === "running";
        const pid = isRunning ? await pidOf(walker) : 0;
        await engine.kill("SIGKILL");
        if (isRunning) kill(pid);
        if (isRunning) walker.status = died(walker.kind);
        await engine.start();
        await afterEngineStart();
      },
      "kill the engine in the middle of a request": async (walker) => {
        const operation = pick(Object.keys(REQUESTS));
        const answer = REQUESTS[operation]?.answer(walker.status, walker.kind);
        if (walker.status === "absent" || answer === undefined) return;
        trail.push(`  (${operation})`);
        const request = send(operation, walker.name).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, random() * 40));
        await engine.kill("SIGKILL");
        await request;
        await engine.start();
        const { kind } = walker;
        const possible: Status[] = [walker.status, answer[1], ended(kind), died(kind)];
        // A stop wakes it for its signal, which this first process ignores: SIGKILL was still to come.
        if (operation === "stop" && walker.status === "paused") possible.push("running");
        // A start that was cut may have left it as it was before its first.
        const seen = await until("it has settled", async () => {
          const state = (await inspect(walker.name))?.State;
          if (state === undefined) return "absent";
          // A signal of the dead engine's is on its way to the process, or its end to the new engine.
          const hasDied = (state.Status === "running" || state.Status === "paused") && isDead(state.Pid);
          // Its end comes first, then its removal.
          const isGoing =
            state.Status === "removing" || (kind === "removes-itself" && state.Status === "exited");
          return hasDied || isGoing ? undefined : (state.Status as string);
        });
        const found = possible.find((status) => fits(seen, status));
        assert.ok(found !== undefined, `${seen}, not one of ${possible.join(", ")}`);
        // SIGKILL may have been sent, and be seen when it goes on. Its removal settles it.
        if (seen === "paused" && (operation === "kill" || operation === "remove by force")) {
          assert.equal((await send("remove by force", walker.name)).status, 204);
          walker.status = "absent";
          return afterEngineStart();
        }
        // Stopped by hand, under this engine or the last: either may hold. A start settles it.
        if (kind === "always" && (seen === "exited" || found === "exited")) {
          const { status } = await send("start", walker.name);
          assert.ok(status === 204 || status === 304, `start answers ${status}`);
          walker.status = "reviving";
        } else walker.status = kind === "always" && found === "running" ? "reviving" : found;
        await afterEngineStart();
      },
    };

    const step = async (): Promise<void> => {
      const walker = pick(walkers);
      const { name, kind, status } = walker;
      const isCrash = random() < 0.15;
      const operation = isCrash
        ? pick(Object.keys(CRASHES))
        : status === "absent" || random() < 0.03
          ? "create"
          : pick(Object.keys(REQUESTS));
      trail.push(`${name} (${status}): ${operation}`);
      if (isCrash) return CRASHES[operation]?.(walker);
      if (operation === "create") {
        assert.equal(await create(walker), status === "absent" ? 201 : 409);
        if (status === "absent") walker.status = "created";
        return;
      }
      const answer = REQUESTS[operation]?.answer(status, kind);
      if (answer === undefined) return;
      const { status: code, text } = await send(operation, name);
      assert.equal(code, answer[0], text);
      walker.status = answer[1];
      await settles(walker, answer[1]);
    };

    const deadline = Date.now() + TIME_LIMIT_MS;
    try {
      for (let at = 0; at < STEPS && Date.now() < deadline; at++) await step();
    } catch (error) {
      const last = trail.slice(-15).join("\n");
      throw new Error(
        `seed ${SEED}, step ${trail.length}: ${String(error)}\n${last}\n${engine.log().slice(-2000)}`,
      );
    }
  });

  test("nothing is left: no container, cgroup, process, file or row", async () => {
    for (const id of ids) await engine.request("DELETE", `/containers/${id}?force=1&v=1`);
    assert.equal((await engine.must(["ps", "-aq"])).stdout, "");
    const check = await engine.must(["system", "check"]);
    assert.doesNotMatch(check.stdout, /unknown|orphan|missing|damaged/i);
    assert.deepEqual(readdirSync(join(engine.root, "containers")), []);
    for (const folder of ["bundles", "state", "exits"])
      assert.deepEqual(readdirSync(join(engine.runRoot, "runtime", folder)), [], folder);
    const hierarchies = ["", ...readdirSync("/sys/fs/cgroup")].map((name) =>
      join("/sys/fs/cgroup", name, "ply"),
    );
    for (const hierarchy of hierarchies.filter((path) => existsSync(path)))
      assert.deepEqual(
        readdirSync(hierarchy).filter((name) => ids.has(name)),
        [],
        hierarchy,
      );
    const mounts = readFileSync("/proc/self/mountinfo", "utf8");
    for (const id of ids) assert.ok(!mounts.includes(id), `a mount of ${id}`);
    // Its processes hold its namespaces: monitors name it, and what runs inside is in its cgroup.
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      // What is dead waits for the host's own init, which may be in no hurry.
      if (isDead(Number(pid))) continue;
      const text = ["cmdline", "cgroup"].map((file) => readIfThere(join("/proc", pid, file))).join("\n");
      for (const id of ids) assert.ok(!text.includes(id), `process ${pid}: ${text.slice(0, 300)}`);
    }
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(join(engine.root, "ply.db"), { readOnly: true });
    try {
      for (const { name } of database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all())
        for (const row of database.prepare(`SELECT * FROM "${String(name)}"`).all()) {
          const text = Object.values(row).map(String).join(" ");
          for (const id of ids) assert.ok(!text.includes(id), `table ${String(name)}: ${text.slice(0, 300)}`);
        }
    } finally {
      database.close();
    }
  });
});

/** Gone, or a zombie. */
function isDead(pid: number): boolean {
  return !/^State:\s+[^ZX\s]/m.test(readIfThere(`/proc/${pid}/status`));
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
