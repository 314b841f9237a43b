import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { mergeScopes, parseChallenges } from "./challenge.ts";

const parsed = (header: string): [string, Record<string, string>][] =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe("parseChallenges", () => {
  test("bearer, as registries send it", () => {
    assert.deepEqual(
      parsed(
        'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"',
      ),
      [
        [
          "bearer",
          {
            realm: "https://auth.docker.io/token",
            service: "registry.docker.io",
            scope: "repository:a/b:pull,push",
          },
        ],
      ],
    );
  });

  test("several challenges in one header, tokens without quotes, spaces anywhere", () => {
    assert.deepEqual(parsed('BASIC Realm = "a, b" , bearer realm=x ,service="y",, Negotiate'), [
      ["basic", { realm: "a, b" }],
      ["bearer", { realm: "x", service: "y" }],
      ["negotiate", {}],
    ]);
  });

  test("quoted pairs, and blobs of other schemes between", () => {
    assert.deepEqual(parsed('Negotiate YIIabc==, Basic realm="say \\"hi\\" \\\\"'), [
      ["negotiate", {}],
      ["basic", { realm: 'say "hi" \\' }],
    ]);
  });

  test("what makes no sense ends the reading, not the program", () => {
    assert.deepEqual(parsed('Basic realm="a", ;;; Bearer realm="b"'), [["basic", { realm: "a" }]]);
    assert.deepEqual(parsed('Bearer realm="unterminated'), [["bearer", {}]]);
    assert.deepEqual(parsed('realm="x"'), []);
    assert.deepEqual(parsed(`Bearer realm="${"x".repeat(20_000)}"`), []);
    assert.deepEqual(parseChallenges(undefined), []);
  });

  test("what is written is read", () => {
    const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/);
    const challenge = fc.tuple(
      name,
      fc.dictionary(name, fc.string({ unit: "binary-ascii" }), { minKeys: 1, maxKeys: 4 }),
    );
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 4 }), (challenges) => {
        const header = challenges
          .map(([scheme, parameters]) => {
            const pairs = Object.entries(parameters).map(
              ([key, value]) => `${key}="${value.replace(/["\\]/g, "\\$&")}"`,
            );
            return `${scheme} ${pairs.join(", ")}`;
          })
          .join(", ");
        assert.deepEqual(
          parsed(header),
          challenges.map(([scheme, parameters]) => [scheme, { ...parameters }]),
        );
      }),
    );
  });
});

test("scopes of one repository become one", () => {
  assert.deepEqual(
    mergeScopes([
      "repository:b:pull",
      "repository:a:push,pull",
      "repository:b:push",
      "repository:b:pull",
      "nonsense",
    ]),
    ["repository:a:pull,push", "repository:b:pull,push"],
  );
});
