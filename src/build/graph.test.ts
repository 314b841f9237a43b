// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles are what is meant
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDockerfile } from "../dockerfile/index.ts";
import { planStages } from "./graph.ts";
import { type BuildArgs, platformArgs } from "./variables.ts";

const AMD64 = { os: "linux", architecture: "amd64" };

function plan(
  text: string,
  options: { target?: string; given?: Record<string, string>; contexts?: string[] } = {},
) {
  const args: BuildArgs = {
    given: new Map(Object.entries(options.given ?? {})),
    platform: platformArgs(AMD64, AMD64, options.target),
    global: new Map(),
    used: new Set(),
  };
  const graph = planStages(parseDockerfile(text), {
    target: options.target,
    args,
    contexts: new Set(options.contexts),
  });
  return { graph, args, stages: graph.stages.map(({ stage }) => stage.index) };
}

test("only what the target needs: bases, copies and mounts from other stages", () => {
  const text = `FROM a AS base
FROM base AS unused
FROM b AS tools
FROM c AS files
FROM base AS last
COPY --from=files /x /x
RUN --mount=type=bind,from=tools,target=/t,source=$S true
`;
  assert.deepEqual(plan(text).stages, [0, 2, 3, 4]);
  assert.deepEqual(plan(text, { target: "Tools" }).stages, [2]);
  assert.deepEqual(plan(text, { target: "1" }).stages, [0, 1]);
});

test("bases by arguments, stages before them, named contexts before both", () => {
  const text = "ARG V=1\nARG B=img:${V}\nFROM $B AS one\nFROM one\n";
  const bases = (options = {}) => plan(text, options).graph.stages.map(({ base }) => base);
  assert.deepEqual(bases(), [
    { kind: "image", name: "img:1" },
    { kind: "stage", index: 0 },
  ]);
  assert.deepEqual(bases({ given: { V: "2" } })[0], { kind: "image", name: "img:2" });
  assert.deepEqual(bases({ contexts: ["one"] }), [{ kind: "context", name: "one" }]);
  const pinned = plan("FROM docker.io/library/alpine:latest", { contexts: ["alpine"] });
  assert.deepEqual(pinned.graph.target.base, { kind: "context", name: "alpine" });
  const other = plan("FROM alpine:3", { contexts: ["alpine"] });
  assert.deepEqual(other.graph.target.base, { kind: "image", name: "alpine:3" });
  assert.deepEqual(plan("FROM scratch").graph.target.base, { kind: "scratch" });
  assert.equal(plan("FROM --platform=$BUILDPLATFORM x").graph.target.platform, "linux/amd64");
});

test("what is wrong is said", () => {
  for (const [text, options, message] of [
    ["FROM $X", {}, /base name \(\$X\) should not be blank/],
    [
      "FROM a AS one",
      { target: "on" },
      /failed to reach build target on in Dockerfile \(did you mean one\?\)/,
    ],
    [
      "FROM a AS x\nCOPY --from=y / /\nFROM b AS y\nCOPY --from=x / /",
      {},
      /circular dependency detected on stage/,
    ],
    ["FROM a\nCOPY --from=7 / /", {}, /line 2 of Dockerfile: invalid from flag value 7/],
  ] as const)
    assert.throws(() => plan(text, options), { message });
});
