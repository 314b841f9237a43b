import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlyProgress } from "../../wire/index.ts";
import type { Stdio } from "../terminal/index.ts";
import { showingPushes } from "./push-view.ts";
import { createBuildView } from "./view.ts";

const LAYER: PlyProgress = { kind: "layer", id: "abc", status: "Layer already exists" };

test("pushes of an image and of a cache stand one below the other, each with what it is", () => {
  let said = "";
  const stdio = {
    err: (text: string) => {
      said += text;
    },
    isTerminal: () => false,
  } as unknown as Stdio;
  const view = showingPushes(createBuildView({ stdio, mode: "plain", env: {} }), stdio);
  const push = (progress: PlyProgress) => view.show({ type: "push", progress });
  push({ kind: "message", text: "The push refers to repository [r/a]" });
  push(LAYER);
  push(LAYER);
  push({ kind: "message", text: "1: digest: sha256:0 size: 1" });
  push({ kind: "message", text: "exporting cache to r/a:cache" });
  push(LAYER);
  view.close();
  assert.equal(
    said,
    `The push refers to repository [r/a]
abc: Layer already exists
1: digest: sha256:0 size: 1
exporting cache to r/a:cache
abc: Layer already exists
`,
  );
});
