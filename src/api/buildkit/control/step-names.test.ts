import assert from "node:assert/strict";
import { test } from "node:test";
import type { BuildStep } from "../../../build/index.ts";
import { parseDockerfile } from "../../../dockerfile/index.ts";
import { createStepNames } from "./step-names.ts";

test("steps are counted and called as BuildKit does", () => {
  const file = parseDockerfile(
    `ARG BASE=bb:1
FROM $BASE AS base
ENV a=b
RUN one
COPY two \\
  three /
FROM base AS next
workdir /x
FROM scratch AS empty
ADD four /
FROM given
RUN five
`,
    "Dockerfile",
  );
  const nameOf = createStepNames(file, { buildArgs: new Map(), contexts: new Map([["given", {}]]) });
  const names = file.stages.flatMap((stage) =>
    [stage.from, ...stage.instructions].map(({ text, at }, n, { length: total }) => {
      const step: BuildStep = {
        number: 1,
        total: 9,
        stage: { index: stage.index, name: stage.from.name ?? `stage-${stage.index}` },
        place: { number: n + 1, total },
        text,
        at,
      };
      const found = nameOf(step);
      assert.equal(nameOf(step), found, "one step, one name");
      return found?.name;
    }),
  );
  assert.deepEqual(names, [
    "[base 1/3] FROM docker.io/library/bb:1",
    undefined,
    "[base 2/3] RUN one",
    "[base 3/3] COPY two   three /",
    undefined,
    "[next 1/1] WORKDIR /x",
    undefined,
    "[empty 1/1] ADD four /",
    undefined,
    "[stage-3 1/1] RUN five",
  ]);
});
