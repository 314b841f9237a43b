// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import assert from "node:assert/strict";
import { test } from "node:test";
import { outlineOf, targetsOf } from "./outline.ts";
import { parseDockerfile } from "./parse.ts";

const FILE = parseDockerfile(`# DISTRO where it begins
ARG DISTRO=debian
# nothing to do with it
ARG SUITE=bookworm
ARG IMAGE=\${DISTRO}:\${SUITE}
ARG UNUSED=1
# tools what builds it
FROM \${IMAGE} AS tools
ARG DISTRO
# JOBS how many at once
ARG JOBS=4 FLAGS="-j$JOBS"
RUN --mount=type=cache,target=/c,id=cc --mount=type=secret,id=token make
RUN --mount=type=secret,id=token,required --mount=type=ssh make
FROM scratch AS other
ARG ELSEWHERE
# the end
FROM --platform=$BUILDPLATFORM tools
ARG EMPTY
RUN --mount=type=cache,target=/c/$JOBS x
`);

const names = (list: readonly { readonly name: string; readonly at: { readonly start: number } }[]) =>
  list.map(({ name, at }) => `${at.start} ${name}`);

test("targets, with what is said of them", () => {
  assert.deepEqual(
    targetsOf(FILE).map(({ name, description, isDefault, base, platform, at }) => [
      name,
      description,
      isDefault,
      base,
      platform,
      at.start,
    ]),
    [
      ["tools", "what builds it", false, "${IMAGE}", undefined, 8],
      ["other", undefined, false, "scratch", undefined, 14],
      [undefined, undefined, true, "tools", "$BUILDPLATFORM", 17],
    ],
  );
});

test("what a target can be given: its own and what it needs, each once", async () => {
  const outline = await outlineOf(FILE, {
    target: 2,
    stages: new Set([0, 2]),
    buildArgs: new Map([["FLAGS", "-O2"]]),
    platformArgs: new Map([["BUILDPLATFORM", "linux/amd64"]]),
  });
  assert.deepEqual(
    outline.args.map(({ at, name, value, description }) => [at.start, name, value, description]),
    [
      [2, "DISTRO", "debian", "where it begins"],
      [4, "SUITE", "bookworm", undefined],
      [5, "IMAGE", "debian:bookworm", undefined],
      [11, "JOBS", "4", "how many at once"],
      [11, "FLAGS", "-O2", undefined],
      [18, "EMPTY", undefined, undefined],
    ],
  );
  assert.deepEqual(names(outline.caches), ["12 cc", "19 /c/4"]);
  assert.deepEqual(names(outline.secrets), ["12 token"]);
  assert.deepEqual(
    [...outline.secrets, ...outline.ssh].map(({ name, isRequired }) => [name, isRequired]),
    [
      ["token", true],
      ["default", false],
    ],
  );
});

test("a stage by itself", async () => {
  const { name, description, args, secrets } = await outlineOf(FILE, { target: 1, stages: new Set([1]) });
  assert.deepEqual([name, description, names(args), secrets], ["other", undefined, ["15 ELSEWHERE"], []]);
});
