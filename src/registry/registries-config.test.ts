import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { parseRegistriesConfig } from "./registries-config.ts";

describe("parseRegistriesConfig", () => {
  test("reads rules and their short forms", () => {
    const text = JSON.stringify({
      registries: [{ prefix: "docker.io", mirrors: ["http://127.0.0.1:5001"], location: "x.example/hub" }],
      insecure: ["lab:5000"],
      blocked: ["*.evil.example"],
      retries: 0,
      stallTimeoutSeconds: 0.5,
    });
    assert.deepEqual(parseRegistriesConfig(text), {
      rules: [
        { prefix: "docker.io", location: "x.example/hub", mirrors: ["http://127.0.0.1:5001"] },
        { prefix: "lab:5000", insecure: true },
        { prefix: "*.evil.example", blocked: true },
      ],
      retries: 0,
      stallTimeoutMs: 500,
    });
    assert.deepEqual(parseRegistriesConfig("{}"), { rules: [] });
  });

  const wrong: [text: string, message: RegExp][] = [
    ["", /not JSON/],
    ["[]", /must be an object/],
    ['{"registry":[]}', /registry must be absent/],
    ['{"registries":{}}', /registries must be a list/],
    ['{"registries":[1]}', /registries\[0\] must be an object/],
    ['{"registries":[{}]}', /registries\[0\]\.prefix must be a string/],
    ['{"registries":[{"prefix":"a.b","mirror":"x"}]}', /registries\[0\] has no field "mirror"/],
    ['{"registries":[{"prefix":"a.b","mirrors":"x"}]}', /registries\[0\]\.mirrors must be a list/],
    ['{"registries":[{"prefix":"a.b","mirrors":["ftp://x"]}]}', /registries\[0\]\.mirrors\[0\]/],
    ['{"registries":[{"prefix":"a.b","blocked":"yes"}]}', /blocked must be true or false/],
    ['{"registries":[{"prefix":"https://a.b"}]}', /registries\[0\]\.prefix.*no prefix/],
    ['{"registries":[{"prefix":"*.a.b/c"}]}', /no prefix/],
    ['{"registries":[{"prefix":"a.b/../c"}]}', /no prefix/],
    ['{"retries":-1}', /retries must be a whole number/],
    ['{"retries":"3"}', /retries must be a whole number/],
    ['{"stallTimeoutSeconds":0}', /stallTimeoutSeconds must be a number of seconds/],
    ['{"insecure":["a.b","a.b"]}', /two rules for "a.b"/],
  ];
  for (const [text, message] of wrong)
    test(`refuses ${text}`, () =>
      assert.throws(
        () => parseRegistriesConfig(text),
        (error) => isPlyError(error, "invalid") && message.test(error.message),
      ));
});
