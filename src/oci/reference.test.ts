import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import { parseDigest } from "./digest.ts";
import {
  canonicalString,
  familiarName,
  familiarString,
  parseReference,
  type Reference,
  withDefaultTag,
  withDigest,
  withTag,
} from "./reference.ts";

const HEX = "a".repeat(64);

describe("parseReference", () => {
  const cases: [text: string, canonical: string, familiar: string][] = [
    ["nginx", "docker.io/library/nginx", "nginx"],
    ["nginx:1.27", "docker.io/library/nginx:1.27", "nginx:1.27"],
    ["owner/app", "docker.io/owner/app", "owner/app"],
    ["docker.io/nginx", "docker.io/library/nginx", "nginx"],
    ["index.docker.io/library/nginx", "docker.io/library/nginx", "nginx"],
    ["localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"],
    ["localhost/app", "localhost/app", "localhost/app"],
    ["localhost:5000/app:x", "localhost:5000/app:x", "localhost:5000/app:x"],
    ["[::1]:5000/a/b", "[::1]:5000/a/b", "[::1]:5000/a/b"],
    ["[fe80::1]/app", "[fe80::1]/app", "[fe80::1]/app"],
    ["Registry/app", "Registry/app", "Registry/app"],
    ["ghcr.io/o/a_b/c--d/e__f.g", "ghcr.io/o/a_b/c--d/e__f.g", "ghcr.io/o/a_b/c--d/e__f.g"],
    [`nginx@sha256:${HEX}`, `docker.io/library/nginx@sha256:${HEX}`, `nginx@sha256:${HEX}`],
    [`a/b:t@sha256:${HEX}`, `docker.io/a/b:t@sha256:${HEX}`, `a/b:t@sha256:${HEX}`],
    [
      `a:t@sha512:${"0".repeat(128)}`,
      `docker.io/library/a:t@sha512:${"0".repeat(128)}`,
      `a:t@sha512:${"0".repeat(128)}`,
    ],
    ["docker.io/example.com/app", "docker.io/example.com/app", "docker.io/example.com/app"],
    ["docker.io/library/foo.bar", "docker.io/library/foo.bar", "foo.bar"],
    [`a/${"b".repeat(253)}`, `docker.io/a/${"b".repeat(253)}`, `a/${"b".repeat(253)}`],
    [`a:${"t".repeat(128)}`, `docker.io/library/a:${"t".repeat(128)}`, `a:${"t".repeat(128)}`],
  ];
  for (const [text, canonical, familiar] of cases)
    test(text.slice(0, 60), () => {
      const reference = parseReference(text);
      assert.equal(canonicalString(reference), canonical);
      assert.equal(familiarString(reference), familiar);
      assert.deepEqual(parseReference(canonical), reference);
      assert.deepEqual(parseReference(familiar), reference);
    });

  const wrong: [text: string, message: RegExp][] = [
    ["", /^invalid reference format$/],
    ["Foo", /^invalid reference format: repository name \(library\/Foo\) must be lowercase$/],
    ["ghcr.io/Owner/app", /repository name \(Owner\/app\) must be lowercase/],
    [HEX, /cannot specify 64-byte hexadecimal strings/],
    ["a//b", /^invalid reference format$/],
    ["/a", /^invalid reference format$/],
    ["a/", /^invalid reference format$/],
    ["a:", /^invalid reference format$/],
    ["a:b:c", /^invalid reference format$/],
    ["a:-t", /^invalid reference format$/],
    [`a:${"t".repeat(129)}`, /^invalid reference format$/],
    ["a@sha256:123", /hex digits/],
    ["a@md5:d41d8cd98f00b204e9800998ecf8427e", /unsupported digest algorithm/],
    ["a@", /invalid digest/],
    ["-a/b", /^invalid reference format$/],
    ["a.-b.c/d", /^invalid reference format$/],
    ["a__-b", /^invalid reference format$/],
    ["a___b", /^invalid reference format$/],
    ["a..b", /^invalid reference format$/],
    ["a b", /^invalid reference format$/],
    ["a\n", /^invalid reference format$/],
    ["host:port/a", /^invalid reference format$/],
    ["[::1/a", /^invalid reference format$/],
    ["../a", /^invalid reference format$/],
    [`a/${"b".repeat(254)}`, /must not be more than 255 characters/],
    ["x".repeat(5000), /^invalid reference format$/],
  ];
  for (const [text, message] of wrong)
    test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(
        () => parseReference(text),
        (error) => isPlyError(error, "invalid") && message.test(error.message),
      );
    });

  test("canonical and familiar forms parse back to the same reference", () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const component = fc
      .array(word, { minLength: 1, maxLength: 3 })
      .chain((words) =>
        fc.constantFrom(".", "_", "__", "-", "---").map((separator) => words.join(separator)),
      );
    const domain = fc.constantFrom(
      "docker.io",
      "localhost",
      "localhost:1",
      "a.b",
      "A1:80",
      "[::1]:5000",
      "1.2.3.4:99",
    );
    const arbitrary = fc.record(
      {
        domain,
        path: fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/")),
        tag: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/),
        digest: fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => parseDigest(`sha256:${hex}`)),
      },
      { requiredKeys: ["domain", "path"] },
    );
    fc.assert(
      fc.property(arbitrary, (given) => {
        const reference: Reference =
          given.domain === "docker.io" && !given.path.includes("/")
            ? { ...given, path: `library/${given.path}` }
            : given;
        assert.deepEqual(parseReference(canonicalString(reference)), { ...reference });
        assert.deepEqual(parseReference(familiarString(reference)), { ...reference });
      }),
    );
  });

  test("never throws anything but a PlyError", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."aA0.:/@-_[]~ é") }), (text) => {
        try {
          parseReference(text);
        } catch (error) {
          assert.ok(isPlyError(error, "invalid"));
        }
      }),
    );
  });
});

test("tags and digests are put in place", () => {
  const nginx = parseReference("nginx");
  const digest = parseDigest(`sha256:${HEX}`);
  assert.equal(familiarString(withDefaultTag(nginx)), "nginx:latest");
  assert.equal(familiarString(withDefaultTag(withDigest(nginx, digest))), `nginx@${digest}`);
  assert.equal(familiarString(withTag(withTag(nginx, "a"), "b")), "nginx:b");
  assert.equal(familiarName(withTag(nginx, "a")), "nginx");
  assert.throws(() => withTag(nginx, "a b"), /invalid reference format/);
});
