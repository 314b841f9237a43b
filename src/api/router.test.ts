import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createRouter } from "./router.ts";

const router = createRouter([
  { method: "GET", path: "/images/json", handler: "list" },
  { method: "GET", path: "/images/{name:.*}/json", handler: "inspect" },
  { method: "DELETE", path: "/images/{name:.*}", handler: "remove" },
  { method: "GET", path: "/containers/{name}/json", handler: "container" },
  { method: "GET", path: "/a.b", handler: "dot" },
]);

describe("router", () => {
  test("a plain path wins over a template", () => {
    assert.deepEqual(router.match("GET", "/images/json"), { handler: "list", params: {} });
  });

  test("image names keep their slashes", () => {
    assert.deepEqual(router.match("GET", "/images/localhost:5000/a/b:v1/json"), {
      handler: "inspect",
      params: { name: "localhost:5000/a/b:v1" },
    });
    assert.deepEqual(router.match("DELETE", "/images/json/json"), {
      handler: "remove",
      params: { name: "json/json" },
    });
  });

  test("a simple parameter is one segment, not empty", () => {
    assert.equal(router.match("GET", "/containers/a/b/json"), undefined);
    assert.equal(router.match("GET", "/containers//json"), undefined);
  });

  test("method and dots count", () => {
    assert.equal(router.match("POST", "/images/json"), undefined);
    assert.equal(router.match("GET", "/aXb"), undefined);
  });
});
