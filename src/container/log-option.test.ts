import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { logDetails, resolveLogging, rotationOf } from "./log-option.ts";

const json = (options: Readonly<Record<string, string>>) => ({ driver: "json-file", options });

describe("log options", () => {
  test("rotation is on by default, and off when asked", () => {
    assert.deepEqual(rotationOf(resolveLogging(undefined)), { maxBytes: 10_000_000, maxFiles: 5 });
    assert.deepEqual(
      rotationOf(resolveLogging(json({ "max-size": "-1" }))).maxBytes,
      Number.POSITIVE_INFINITY,
    );
    assert.deepEqual(rotationOf(resolveLogging(json({ "max-size": "1.5k", "max-file": "1" }))), {
      maxBytes: 1500,
      maxFiles: 1,
    });
    assert.equal(rotationOf(json({ "max-size": "1MiB" })).maxBytes, 1_000_000);
    assert.deepEqual(resolveLogging({ driver: "none", options: {} }), { driver: "none", options: {} });
  });

  test("what is wrong is said in Docker's words", () => {
    for (const [options, words] of [
      [{ "no-such": "1" }, "unknown log opt 'no-such' for json-file log driver"],
      [{ "max-size": "much" }, "invalid size: 'much'"],
      [{ "max-size": "0" }, "max-size must be a positive number"],
      [{ "max-file": "0" }, "max-file cannot be less than 1"],
      [{ "max-file": "x" }, 'invalid value for max-file: "x" is not a whole number'],
      [{ mode: "lazy" }, "logger: logging mode not supported: lazy"],
      [
        { "max-buffer-size": "1m" },
        "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
      ],
    ] as const)
      assert.throws(() => resolveLogging(json(options)), { message: words });
    assert.throws(() => resolveLogging({ driver: "what", options: {} }), {
      message: "logger: no log driver named 'what' is registered",
    });
  });

  test("details are the labels and variables that were named, in order", () => {
    const logging = json({ labels: "z,a", "env-regex": "^V" });
    const container = { labels: { a: "1", z: "2 3", other: "" }, env: ["VAR=x=y", "HOME=/"] };
    assert.equal(logDetails(logging, container), "VAR=x%3Dy,a=1,z=2%203 ");
  });
});
