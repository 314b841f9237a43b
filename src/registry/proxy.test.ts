import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { proxyFor } from "./proxy.ts";

const ENV = { HTTPS_PROXY: "http://secure:1", HTTP_PROXY: "plain:2" };

describe("proxies", () => {
  const proxy = (url: string, env: Record<string, string> = ENV) => proxyFor(new URL(url), env);

  test("by the protocol, in capital letters before small ones", () => {
    assert.equal(proxy("https://a.org/"), "http://secure:1");
    assert.equal(proxy("http://a.org/"), "http://plain:2");
    assert.equal(proxy("https://a.org/", { https_proxy: "http://small:3" }), "http://small:3");
    assert.equal(proxy("https://a.org/", { HTTP_PROXY: "http://x" }), undefined);
    assert.equal(proxy("https://a.org/", {}), undefined);
  });

  test("never for this machine", () => {
    for (const host of ["localhost:5000", "127.0.0.1:5000", "127.8.9.1", "[::1]:5000"])
      assert.equal(proxy(`https://${host}/`), undefined, host);
  });

  for (const [noProxy, url, isProxied] of [
    ["*", "https://a.org", false],
    ["a.org", "https://a.org", false],
    ["a.org", "https://sub.a.org", false],
    ["a.org", "https://ba.org", true],
    [".a.org", "https://sub.a.org", false],
    [".a.org", "https://a.org", true],
    ["*.a.org", "https://sub.a.org", false],
    ["A.org, b.org", "https://b.org", false],
    ["a.org:443", "https://a.org", false],
    ["a.org:5000", "https://a.org", true],
    ["a.org:5000", "https://a.org:5000", false],
    ["10.0.0.0/8", "https://10.1.2.3", false],
    ["10.0.0.0/8", "https://11.1.2.3", true],
    ["10.0.0.1", "https://10.0.0.1:5000", false],
    ["fd00::/8", "https://[fd00::1]", false],
    ["fd00::1", "https://[fd00::1]:5000", false],
    ["10.0.0.0/99", "https://10.1.2.3", true],
    ["", "https://a.org", true],
  ] as const)
    test(`NO_PROXY=${noProxy}: ${url} goes ${isProxied ? "through it" : "directly"}`, () =>
      assert.equal(proxy(url, { ...ENV, NO_PROXY: noProxy }) !== undefined, isProxied));
});
