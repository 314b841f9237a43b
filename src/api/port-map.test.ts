import assert from "node:assert/strict";
import { test } from "node:test";
import { isPlyError } from "../error.ts";
import type { PublishedPort } from "../network/index.ts";
import { listPorts, parsePortBindings, parsePortRange, viewPortBindings, viewPublished } from "./port-map.ts";

const invalid = (error: unknown) => isPlyError(error, "invalid");

test("bindings of a request, there and back", () => {
  const PortBindings = {
    "80/tcp": [{ HostPort: "8080" }, { HostIp: "::1", HostPort: "" }],
    "53/udp": [{ HostIp: "127.0.0.1", HostPort: "5300-5310" }],
    "9/sctp": [{}],
    "81/tcp": null,
    "82/tcp": [],
  };
  const ports = parsePortBindings({ PortBindings });
  assert.deepEqual(ports, [
    { containerPort: 80, protocol: "tcp", hostPorts: [8080, 8080] },
    { containerPort: 80, protocol: "tcp", hostAddress: "::1" },
    { containerPort: 53, protocol: "udp", hostAddress: "127.0.0.1", hostPorts: [5300, 5310] },
    { containerPort: 9, protocol: "sctp" },
  ]);
  assert.deepEqual(viewPortBindings(ports), {
    "80/tcp": [
      { HostIp: "", HostPort: "8080" },
      { HostIp: "::1", HostPort: "" },
    ],
    "53/udp": [{ HostIp: "127.0.0.1", HostPort: "5300-5310" }],
    "9/sctp": [{ HostIp: "", HostPort: "" }],
  });
  assert.deepEqual(parsePortBindings({ PortBindings: { "80": [{ HostPort: "0" }] } }), [
    { containerPort: 80, protocol: "tcp" },
  ]);
});

test("what is no port is refused", () => {
  for (const text of ["", "http", "0", "65536", "80/icmp", "90-80", "80-", "-1", "80/tcp/udp"])
    assert.throws(() => parsePortRange(text), invalid, text);
  for (const PortBindings of [
    { "80-90/tcp": [{}] },
    { "80/tcp": [{ HostPort: "x" }] },
    { "80/tcp": [{ HostPort: "70000" }] },
    { "80/tcp": {} },
    { "80/tcp": ["8080"] },
  ])
    assert.throws(() => parsePortBindings({ PortBindings }), invalid, JSON.stringify(PortBindings));
});

test("published and exposed ports, in inspect and in a list", () => {
  const on = (hostAddress: string): PublishedPort => ({
    containerPort: 80,
    protocol: "tcp",
    hostAddress,
    hostPort: 32768,
  });
  const published = [on("0.0.0.0"), on("::")];
  const exposed = ["80/tcp", "443/tcp", "80/udp", "7000-7001", "nonsense"];
  assert.deepEqual(viewPublished(published, exposed), {
    "80/tcp": [
      { HostIp: "0.0.0.0", HostPort: "32768" },
      { HostIp: "::", HostPort: "32768" },
    ],
    "443/tcp": null,
    "80/udp": null,
    "7000/tcp": null,
    "7001/tcp": null,
  });
  assert.deepEqual(listPorts(published, exposed), [
    { IP: "0.0.0.0", PrivatePort: 80, PublicPort: 32768, Type: "tcp" },
    { IP: "::", PrivatePort: 80, PublicPort: 32768, Type: "tcp" },
    { PrivatePort: 80, Type: "udp" },
    { PrivatePort: 443, Type: "tcp" },
    { PrivatePort: 7000, Type: "tcp" },
    { PrivatePort: 7001, Type: "tcp" },
  ]);
});
