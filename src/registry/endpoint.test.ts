import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { parseReference } from "../oci/index.ts";
import type { RegistryRule } from "./client.ts";
import { endpointOfHost, endpointsOf, isLoopback, registryHostOf } from "./endpoint.ts";

/** `mirror? schemes host/repository insecure?` of each endpoint. */
function places(name: string, rules: RegistryRule[], purpose: "pull" | "push" = "pull"): string[] {
  return endpointsOf(parseReference(name), rules, purpose).map(
    ({ host, repository, schemes, verifiesTls, isMirror }) =>
      [
        isMirror ? "mirror" : "home",
        schemes.join("+"),
        `${host}/${repository}`,
        ...(verifiesTls ? [] : ["insecure"]),
      ].join(" "),
  );
}

describe("endpointsOf", () => {
  const cases: [what: string, name: string, rules: RegistryRule[], expected: string[]][] = [
    ["Docker Hub answers elsewhere", "nginx", [], ["home https registry-1.docker.io/library/nginx"]],
    ["others answer where they are", "ghcr.io/o/a", [], ["home https ghcr.io/o/a"]],
    ["loopback may use plain HTTP", "127.0.0.1:5000/a", [], ["home https+http 127.0.0.1:5000/a"]],
    ["so may localhost and ::1", "[::1]:5000/a", [], ["home https+http [::1]:5000/a"]],
    [
      "an insecure registry too, without verification",
      "lab:5000/a",
      [{ prefix: "lab:5000", insecure: true }],
      ["home https+http lab:5000/a insecure"],
    ],
    [
      "mirrors come first and replace the prefix",
      "nginx",
      [{ prefix: "docker.io", mirrors: ["http://127.0.0.1:5001", "mirror.example.com/hub/"] }],
      [
        "mirror http 127.0.0.1:5001/library/nginx",
        "mirror https mirror.example.com/hub/library/nginx",
        "home https registry-1.docker.io/library/nginx",
      ],
    ],
    [
      "the longest prefix wins, at whole components",
      "quay.io/team/app",
      [
        { prefix: "quay.io", location: "a.example" },
        { prefix: "quay.io/team", location: "b.example/x" },
        { prefix: "quay.io/tea", location: "c.example" },
      ],
      ["home https b.example/x/app"],
    ],
    [
      "a wildcard stands for the host",
      "a.b.example.com:5000/x/y",
      [{ prefix: "*.example.com", location: "proxy.example.org" }],
      ["home https proxy.example.org/x/y"],
    ],
    [
      "but not for the bare domain",
      "example.com/x",
      [{ prefix: "*.example.com", blocked: true }],
      ["home https example.com/x"],
    ],
    [
      "the new location has rules of its own",
      "nginx",
      [
        { prefix: "docker.io", location: "lab:1/hub" },
        { prefix: "lab:1", insecure: true },
      ],
      ["home https+http lab:1/hub/library/nginx insecure"],
    ],
    [
      "an insecure registry does not make its mirrors insecure",
      "lab:5000/a",
      [{ prefix: "lab:5000", insecure: true, mirrors: ["m.example"] }],
      ["mirror https m.example/a", "home https+http lab:5000/a insecure"],
    ],
  ];
  for (const [what, name, rules, expected] of cases)
    test(what, () => assert.deepEqual(places(name, rules), expected));

  test("a push goes to no mirror", () => {
    const rules: RegistryRule[] = [{ prefix: "docker.io", mirrors: ["m.example"] }];
    assert.deepEqual(places("nginx", rules, "push"), ["home https registry-1.docker.io/library/nginx"]);
  });

  test("a blocked prefix is refused by its name", () => {
    assert.throws(
      () => places("evil/app", [{ prefix: "docker.io/evil", blocked: true }]),
      (error) => isPlyError(error, "denied") && error.message.includes('rule "docker.io/evil"'),
    );
    assert.deepEqual(places("evilish/app", [{ prefix: "docker.io/evil", blocked: true }]).length, 1);
  });
});

test("only this machine is loopback", () => {
  for (const host of ["127.0.0.1", "127.1.2.3:5000", "localhost:80", "[::1]", "[::1]:5000", "LOCALHOST"])
    assert.equal(isLoopback(host), true, host);
  for (const host of [
    "127.0.0.1.example.com",
    "128.0.0.1",
    "localhost.example.com",
    "[::2]",
    "127.evil.0.1",
    "10.0.0.1",
  ])
    assert.equal(isLoopback(host), false, host);
});

test("all names of Docker Hub are one", () => {
  for (const name of [
    "",
    "docker.io",
    "https://index.docker.io/v1/",
    "index.docker.io",
    "registry-1.docker.io",
  ])
    assert.equal(registryHostOf(name), "docker.io", name);
  assert.equal(registryHostOf("https://ghcr.io/v2/"), "ghcr.io");
  assert.equal(endpointOfHost("https://index.docker.io/v1/", []).host, "registry-1.docker.io");
  assert.throws(() => endpointOfHost("not a host", []), /not a registry location/);
});
