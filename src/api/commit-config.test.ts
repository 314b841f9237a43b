import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { instructionsOf } from "./commit-config.ts";

describe("a commit's Config", () => {
  test("is said in Dockerfile instructions, values in quotes that expand nothing", () => {
    assert.deepEqual(
      instructionsOf({
        Cmd: ["a", "b"],
        Env: ["A=x $HOME 'y'"],
        Labels: { "a b": "c" },
        ExposedPorts: { "80/tcp": {} },
        User: "me",
        WorkingDir: "",
        Unknown: 1,
      }),
      ['CMD ["a","b"]', `ENV A='x $HOME '"'"'y'"'"''`, "LABEL 'a b'='c'", "EXPOSE 80/tcp", "USER 'me'"],
    );
    assert.deepEqual(instructionsOf({}), []);
  });

  test("wrong types are refused", () => {
    assert.throws(() => instructionsOf({ Env: "A=b" }), /Env is not a list of strings/);
    assert.throws(() => instructionsOf({ User: "a\nRUN x" }), /line break/);
  });
});
