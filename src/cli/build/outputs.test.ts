import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { annotationsOfSpec, parseAnnotation } from "./annotations.ts";
import { parseOutputSpec } from "./output-spec.ts";
import { type OutputWishes, planOutputs } from "./outputs.ts";

const plan = (given: readonly string[], wishes: Partial<OutputWishes> = {}) =>
  planOutputs({
    given,
    push: false,
    load: false,
    hasSeveralPlatforms: false,
    isStdoutTerminal: false,
    ...wishes,
  });

describe("what flags say of a build's result", () => {
  const stored = { kind: "image", isStored: true } as const;
  const cases: readonly (readonly [
    what: string,
    plan: ReturnType<typeof plan>,
    outputs: unknown,
    sinks?: unknown,
  ])[] = [
    ["nothing is an image of the list", plan([]), undefined],
    ["-o DIR", plan(["out"]), [{ kind: "files", isSplit: false }], [{ kind: "directory", path: "out" }]],
    ["-o -", plan(["-"]), [{ kind: "files", isSplit: false }], [{ kind: "stdout" }]],
    [
      "a quoted field",
      plan(['type=tar,"dest=a,b"']),
      [{ kind: "files", isSplit: false }],
      [{ kind: "file", path: "a,b" }],
    ],
    [
      "oci layouts are gzip",
      plan(["type=oci,dest=x,name=a:1"]),
      [{ kind: "archive", format: "oci", names: ["a:1"], form: { compression: "gzip" } }],
      [{ kind: "file", path: "x" }],
    ],
    [
      "unless told otherwise",
      plan(["type=oci,tar=false,dest=x,compression=zstd,compression-level=19,force-compression=1"]),
      [{ kind: "archive", format: "oci", form: { compression: "zstd", level: 19, force: true } }],
      [{ kind: "layout", path: "x" }],
    ],
    ["docker without a file is the list", plan(["type=docker"]), [stored]],
    ["--push", plan([], { push: true }), [{ ...stored, push: "name" }]],
    ["registry", plan(["type=registry,name=a:1"]), [{ ...stored, names: ["a:1"], push: "name" }]],
    [
      "--push of several platforms stays nowhere",
      plan([], { push: true, hasSeveralPlatforms: true }),
      [{ kind: "image", isStored: false, push: "name" }],
    ],
    [
      "--push beside files",
      plan(["out"], { push: true }),
      [
        { kind: "files", isSplit: false },
        { kind: "image", isStored: false, push: "name" },
      ],
    ],
    ["--load beside files", plan(["out"], { load: true }), [{ kind: "files", isSplit: false }, stored]],
    [
      "by digest, out of the list",
      plan(["type=image,name=a,push-by-digest=true,store=false"]),
      [{ kind: "image", isStored: false, names: ["a"], push: "digest" }],
    ],
    ["cacheonly", plan(["type=cacheonly"]), []],
    [
      "several platforms as files",
      plan(["out"], { hasSeveralPlatforms: true }),
      [{ kind: "files", isSplit: true }],
    ],
  ];
  for (const [what, { outputs, sinks }, expected, where] of cases)
    test(what, () => {
      assert.deepEqual(outputs, expected);
      if (where !== undefined) assert.deepEqual(sinks, where);
    });

  test("a terminal gets no archive", () => {
    assert.throws(
      () => plan(["type=tar"], { isStdoutTerminal: true }),
      /dest file is required for tar exporter. refusing to write to console/,
    );
  });

  test("annotations", () => {
    assert.deepEqual(parseAnnotation("a=b=c"), [{ place: "manifest", key: "a", value: "b=c" }]);
    assert.deepEqual(parseAnnotation("index,manifest[linux/arm64]:org.x=1"), [
      { place: "index", key: "org.x", value: "1" },
      { place: "manifest", platform: "linux/arm64", key: "org.x", value: "1" },
    ]);
    const spec = parseOutputSpec(
      "type=oci,annotation.a=1,annotation-index.b=2,annotation-manifest-descriptor[linux/amd64].c=3",
    );
    assert.deepEqual(annotationsOfSpec(spec), [
      { place: "manifest", key: "a", value: "1" },
      { place: "index", key: "b", value: "2" },
      { place: "manifest-descriptor", platform: "linux/amd64", key: "c", value: "3" },
    ]);
  });
});
