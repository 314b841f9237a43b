import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { queryBoolean, queryInteger, queryPlatform, queryRequired } from "./query.ts";

const query = (text: string) => new URLSearchParams(text);

describe("query parameters", () => {
  test("booleans as Docker reads them", () => {
    for (const yes of ["1", "true", "True", "t", "yes"])
      assert.equal(queryBoolean(query(`all=${yes}`), "all"), true);
    for (const no of ["0", "false", "FALSE", "no", "none", ""])
      assert.equal(queryBoolean(query(`all=${no}`), "all"), false);
    assert.equal(queryBoolean(query(""), "all"), false);
    assert.equal(queryBoolean(query(""), "all", true), true);
  });

  test("integers and required ones", () => {
    assert.equal(queryInteger(query("t=-1"), "t"), -1);
    assert.equal(queryInteger(query("t="), "t"), undefined);
    assert.throws(() => queryInteger(query("t=1e3"), "t"), /not a whole number/);
    assert.throws(() => queryRequired(query("repo="), "repo"), /missing parameter: repo/);
  });

  test("platforms as text and as JSON", () => {
    const platform = { os: "linux", architecture: "arm", variant: "v7" };
    assert.deepEqual(queryPlatform(query("platform=linux/arm/v7")), platform);
    assert.deepEqual(
      queryPlatform(query(`platform=${encodeURIComponent(JSON.stringify(platform))}`)),
      platform,
    );
    assert.equal(queryPlatform(query("platform=")), undefined);
    for (const bad of ["{", '{"os":1}', "a/b/c/d/e", "li nux"])
      assert.throws(() => queryPlatform(new URLSearchParams({ platform: bad })), /invalid platform/, bad);
  });
});
