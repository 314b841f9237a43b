import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { filterBoolean, hasLabels, parseFilters } from "./filters.ts";

const parse = (filters: unknown) =>
  parseFilters(
    new URLSearchParams({ filters: typeof filters === "string" ? filters : JSON.stringify(filters) }),
    ["label", "dangling"],
  );

describe("filters", () => {
  test("both JSON forms mean the same", () => {
    assert.deepEqual([...parse({ label: ["a=b", "c"] })], [["label", ["a=b", "c"]]]);
    assert.deepEqual([...parse({ label: { "a=b": true, c: true, d: false } })], [["label", ["a=b", "c"]]]);
    assert.deepEqual([...parseFilters(new URLSearchParams(), ["label"])], []);
  });

  test("an unknown name is refused in Docker's words", () => {
    assert.throws(
      () => parse({ colour: ["red"] }),
      (error) => isPlyError(error, "invalid") && error.message === "invalid filter 'colour'",
    );
  });

  test("what is no map of lists is refused", () => {
    for (const bad of ["{", "[]", "3", { label: "a" }, { label: [1] }])
      assert.throws(
        () => parse(bad),
        (error) => isPlyError(error, "invalid"),
        JSON.stringify(bad),
      );
  });

  test("booleans: true, 1, false, 0, and nothing else", () => {
    assert.equal(filterBoolean(parse({ dangling: ["true"] }), "dangling"), true);
    assert.equal(filterBoolean(parse({ dangling: { "0": true } }), "dangling"), false);
    assert.equal(filterBoolean(parse({}), "dangling"), undefined);
    for (const values of [["yes"], ["true", "false"]])
      assert.throws(
        () => filterBoolean(parse({ dangling: values }), "dangling"),
        /invalid filter 'dangling=/,
      );
  });

  test("labels: all wanted ones, by key or by key and value", () => {
    const labels = { a: "b", e: "" };
    assert.equal(hasLabels(labels, ["a", "a=b", "e="]), true);
    assert.equal(hasLabels(labels, ["a=c"]), false);
    assert.equal(hasLabels(labels, ["toString"]), false);
  });
});
