import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import { followRedirects } from "./redirect.ts";
import type { Transport, TransportRequest, TransportResponse } from "./transport.ts";

/** A transport that redirects as a table says; `seen` has URL and Authorization of each request. */
function redirecting(table: Readonly<Record<string, [status: number, location: string]>>): {
  transport: Transport;
  seen: string[];
} {
  const seen: string[] = [];
  const send = async ({ url, headers }: TransportRequest): Promise<TransportResponse> => {
    seen.push(`${url.href} ${headers["Authorization"] ?? "-"}`);
    const [status, location] = table[url.href] ?? [200, undefined];
    return {
      status,
      url,
      header: (name) => (name === "location" ? location : undefined),
      async *stream() {},
      read: async () => new Uint8Array(),
      discard() {},
    };
  };
  return { transport: { send, forget() {}, close() {} }, seen };
}

const request = (url: string, method = "GET"): Parameters<typeof followRedirects>[1] => ({
  method,
  url: new URL(url),
  headers: {},
  authorization: "Bearer secret",
  verifiesTls: () => true,
});

test("credentials stay with the host they are for, even if it comes back to it", async () => {
  const { transport, seen } = redirecting({
    "https://a.example/1": [307, "/2"],
    "https://a.example/2": [302, "https://cdn.example/3?sig=x"],
    "https://cdn.example/3?sig=x": [301, "https://a.example/4"],
  });
  const response = await followRedirects(transport, request("https://a.example/1"));
  assert.equal(response.url.href, "https://a.example/4");
  assert.deepEqual(seen, [
    "https://a.example/1 Bearer secret",
    "https://a.example/2 Bearer secret",
    "https://cdn.example/3?sig=x -",
    "https://a.example/4 -",
  ]);
});

test("another port and another scheme are another host", async () => {
  const { transport, seen } = redirecting({
    "http://a.example:80/1": [307, "http://a.example:81/"],
    "http://a.example/1": [307, "https://a.example/"],
  });
  await followRedirects(transport, request("http://a.example/1"));
  assert.deepEqual(seen, ["http://a.example/1 Bearer secret", "https://a.example/ -"]);
});

test("credentials in a location are not used", async () => {
  const { transport, seen } = redirecting({ "https://a.example/": [307, "https://user:pw@b.example/#x"] });
  await followRedirects(transport, request("https://a.example/"));
  assert.deepEqual(seen.slice(1), ["https://b.example/ -"]);
});

test("refuses to leave HTTPS, other schemes, what is no URL, and circles", async () => {
  const refuses = (location: string, message: RegExp): Promise<void> =>
    assert.rejects(
      followRedirects(
        redirecting({ "https://a.example/": [307, location] }).transport,
        request("https://a.example/"),
      ),
      (error) => isPlyError(error, "invalid") && message.test(error.message),
    );
  await refuses("http://a.example/", /not encrypted/);
  await refuses("file:///etc/passwd", /redirects to a file: URL/);
  await refuses("http://[", /no URL/);
  await refuses("https://a.example/", /more than 10/);
});

test("an upload follows only what keeps its method", async () => {
  const { transport, seen } = redirecting({
    "https://a.example/307": [307, "https://a.example/x"],
    "https://a.example/302": [302, "https://a.example/x"],
  });
  assert.equal((await followRedirects(transport, request("https://a.example/307", "PUT"))).status, 200);
  assert.equal((await followRedirects(transport, request("https://a.example/302", "PUT"))).status, 302);
  assert.equal(seen.length, 3);
});
