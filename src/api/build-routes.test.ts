import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { BuildContext, BuildEvent, BuildOptions, BuildStep, FileTree } from "../build/index.ts";
import { PlyError } from "../error.ts";
import { testApi } from "./testing/index.ts";

const step = (number: number, stage = 0): BuildStep => ({
  number,
  total: 3,
  stage: { index: stage, name: undefined },
  place: { number, total: 3 },
  text: `STEP ${number}`,
  at: { file: "Dockerfile", start: number, end: number },
});
const began = (number: number, stage = 0): BuildEvent => ({
  kind: "step",
  step: step(number, stage),
  state: "running",
});
const ended = (number: number, stage = 0): BuildEvent => ({
  kind: "step",
  step: step(number, stage),
  state: "done",
  ms: 1,
  id: String(number).repeat(64),
});
const ID = `sha256:${"a".repeat(64)}` as const;

const TREE: FileTree = { root: { children: new Map() } as never, read: () => [], digestOf: () => "" };
const CONTEXT: BuildContext = {
  dockerfile: { text: "FROM x\n", name: "Dockerfile" },
  tree: TREE,
  async [Symbol.asyncDispose]() {},
};

/** An API whose builder tells these events and gives this result. */
const building = (events: readonly BuildEvent[], outcome: () => void = () => undefined) => {
  const asked: BuildOptions[] = [];
  return {
    asked,
    api: () =>
      testApi({
        builder: {
          openContext: async () => CONTEXT,
          build: async (options) => {
            asked.push(options);
            for (const event of events) options.onEvent?.(event);
            outcome();
            return { imageId: ID as never, names: ["a:1"], isStored: true };
          },
          cancel: (id) => id === "known",
          cache: {
            entries: async () => [],
            prune: async (options) => ({ ids: [JSON.stringify(options)], bytesReclaimed: 5 }),
          },
        },
      }),
  };
};
const lines = (text: string): unknown[] =>
  text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line));

describe("the classic build API", () => {
  test("steps, output and result in Docker's words", async () => {
    const { api: open } = building([
      began(1),
      ended(1),
      began(2),
      { kind: "container", step: step(2), id: "c".repeat(64), state: "running" },
      { kind: "output", step: step(2), stream: "stdout", bytes: Buffer.from("hé\n").subarray(0, 2) },
      { kind: "output", step: step(2), stream: "stdout", bytes: Buffer.from("hé\n").subarray(2) },
      { kind: "container", step: step(2), id: "c".repeat(64), state: "removed" },
      { ...(ended(2) as object), state: "cached" } as BuildEvent,
      began(3),
      ended(3),
    ]);
    await using api = await open();
    const answer = await api.call("POST", "/build?t=a:1");
    assert.deepEqual(
      lines(answer.text).map((line) => (line as { stream?: string; aux?: unknown }).stream ?? line),
      [
        "Step 1/3 : STEP 1\n",
        " ---> 111111111111\n",
        "Step 2/3 : STEP 2\n",
        " ---> Running in cccccccccccc\n",
        "h",
        "é\n",
        "Removing intermediate container cccccccccccc\n",
        " ---> Using cache\n",
        " ---> 222222222222\n",
        "Step 3/3 : STEP 3\n",
        " ---> aaaaaaaaaaaa\n",
        { aux: { ID } },
        "Successfully built aaaaaaaaaaaa\n",
        "Successfully tagged a:1\n",
      ],
    );
  });

  test("labels of the request are the last step, and that is the image", async () => {
    await using api = await building([began(3), ended(3)]).api();
    const labels = encodeURIComponent(JSON.stringify({ b: "2", a: "1" }));
    const said = lines((await api.call("POST", `/build?labels=${labels}`)).text) as { stream?: string }[];
    assert.deepEqual(said.flatMap(({ stream }) => (stream === undefined ? [] : [stream])).slice(0, 4), [
      "Step 3/4 : STEP 3\n",
      " ---> 333333333333\n",
      "Step 4/4 : LABEL a=1 b=2\n",
      " ---> aaaaaaaaaaaa\n",
    ]);
  });

  test("stages side by side are shown one after the other", async () => {
    const stage = (index: number, state: "begun" | "done"): BuildEvent => ({ kind: "stage", index, state });
    const { api: open } = building([
      stage(0, "begun"),
      began(1, 0),
      stage(1, "begun"),
      began(2, 1),
      ended(2, 1),
      stage(1, "done"),
      ended(1, 0),
      stage(0, "done"),
    ]);
    await using api = await open();
    const said = lines((await api.call("POST", "/build")).text) as { stream?: string }[];
    assert.deepEqual(
      said.slice(0, 4).map(({ stream }) => stream),
      ["Step 1/3 : STEP 1\n", " ---> 111111111111\n", "Step 2/3 : STEP 2\n", " ---> 222222222222\n"],
    );
  });

  test("quiet says the id alone", async () => {
    const { api: open } = building([began(1), ended(1)]);
    await using api = await open();
    assert.deepEqual(lines((await api.call("POST", "/build?q=1")).text), [
      { aux: { ID } },
      { stream: `${ID}\n` },
    ]);
  });

  test("a failure before anything was said is a status, later a line with the exit code", async () => {
    const fail = () => {
      throw new PlyError("invalid", "The command 'x' returned a non-zero code: 3", {
        details: { exitCode: 3 },
      });
    };
    await using early = await building([], fail).api();
    assert.equal((await early.call("POST", "/build")).status, 400);
    await using late = await building([began(1)], fail).api();
    assert.deepEqual(lines((await late.call("POST", "/build")).text).at(-1), {
      errorDetail: { code: 3, message: "The command 'x' returned a non-zero code: 3" },
      error: "The command 'x' returned a non-zero code: 3",
    });
  });

  test("the query's settings reach the builder", async () => {
    const { api: open, asked } = building([]);
    await using api = await open();
    const query = new URLSearchParams({
      buildargs: JSON.stringify({ A: "1", B: null, SOURCE_DATE_EPOCH: "7" }),
      labels: JSON.stringify({ l: "v" }),
      target: "two",
      nocache: "1",
      networkmode: "none",
      shmsize: "65536",
      memory: "1000000",
      ulimits: JSON.stringify([{ Name: "nofile", Soft: 1, Hard: 2 }]),
      platform: "linux/arm64",
      buildid: "me",
    });
    await api.call("POST", `/build?${query}&t=a&t=b:2`);
    const [options] = asked;
    assert(options !== undefined);
    assert.deepEqual(
      [...(options.buildArgs ?? [])],
      [
        ["A", "1"],
        ["SOURCE_DATE_EPOCH", "7"],
      ],
    );
    assert.deepEqual(
      options.references?.map(({ path, tag }) => [path, tag]),
      [
        ["library/a", "latest"],
        ["library/b", "2"],
      ],
    );
    const { labels, target, noCache, platforms, times, id, run } = options;
    assert.deepEqual(
      { labels, target, noCache, platforms, times, id, run },
      {
        labels: { l: "v" },
        target: "two",
        noCache: true,
        platforms: [{ os: "linux", architecture: "arm64" }],
        times: { atMost: 7 },
        id: "me",
        run: {
          network: "none",
          shmSize: 65536,
          ulimits: [{ name: "nofile", soft: 1, hard: 2 }],
          resources: { memory: 1_000_000 },
        },
      },
    );
    for (const wrong of ["buildargs=x", "labels=[]", "memory=x", "t=A%20B"])
      assert.equal((await api.call("POST", `/build?${wrong}`)).status, 400, wrong);
    assert.equal((await api.call("POST", "/build?version=3")).status, 400);
  });

  test("cancel and prune", async () => {
    await using api = await building([]).api();
    assert.equal((await api.call("POST", "/build/cancel?id=known")).status, 204);
    assert.equal((await api.call("POST", "/build/cancel")).status, 400);
    assert.deepEqual((await api.call("POST", "/build/prune?all=1&keep-storage=9")).json(), {
      CachesDeleted: [JSON.stringify({ all: true, selection: {}, limits: { reservedSpace: 9 } })],
      SpaceReclaimed: 5,
    });
  });
});
