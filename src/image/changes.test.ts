import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import type { ProcessConfig } from "../oci/index.ts";
import { applyChanges } from "./changes.ts";

const base: ProcessConfig = {
  Env: ["PATH=/bin", "NAME=web"],
  Cmd: ["old"],
  WorkingDir: "/srv",
  Labels: { a: "1" },
};
const change = (...changes: string[]) => applyChanges(base, changes);

describe("applyChanges", () => {
  const cases: [changes: string[], expected: Partial<ProcessConfig>][] = [
    [['CMD ["a", "b c"]'], { Cmd: ["a", "b c"] }],
    [["cmd echo $NAME"], { Cmd: ["/bin/sh", "-c", "echo $NAME"] }],
    [["CMD [not json"], { Cmd: ["/bin/sh", "-c", "[not json"] }],
    [["CMD []"], { Cmd: [] }],
    [['ENTRYPOINT ["x"]', 'CMD ["y"]'], { Entrypoint: ["x"], Cmd: ["y"] }],
    [
      ["ENV A=b C='d e' F=\"$NAME g\" NAME=two"],
      { Env: ["PATH=/bin", "NAME=two", "A=b", "C=d e", "F=web g"] },
    ],
    [["ENV A all of this"], { Env: ["PATH=/bin", "NAME=web", "A=all of this"] }],
    [["ENV A=x\\ y"], { Env: ["PATH=/bin", "NAME=web", "A=x y"] }],
    [
      [`ENV A=$${"{NAME:-n}"} B=$${"{NONE:-n}"} C=$${"{NAME:+set}"} D=$${"{NONE+set}"}`],
      { Env: ["PATH=/bin", "NAME=web", "A=web", "B=n", "C=set", "D="] },
    ],
    [["LABEL b=2 \"c d\"='e f'"], { Labels: { a: "1", b: "2", "c d": "e f" } }],
    [
      ["LABEL __proto__=x"],
      {
        Labels: Object.fromEntries([
          ["a", "1"],
          ["__proto__", "x"],
        ]),
      },
    ],
    [
      ["EXPOSE 80 53/udp 8000-8002"],
      { ExposedPorts: { "80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {} } },
    ],
    [['VOLUME ["/a b", "/c"]'], { Volumes: { "/a b": {}, "/c": {} } }],
    [["VOLUME /a /c"], { Volumes: { "/a": {}, "/c": {} } }],
    [["USER $NAME:0"], { User: "web:0" }],
    [["WORKDIR sub/../x"], { WorkingDir: "/srv/x" }],
    [["WORKDIR /abs"], { WorkingDir: "/abs" }],
    [["STOPSIGNAL SIGTERM"], { StopSignal: "SIGTERM" }],
    [["ONBUILD RUN make"], { OnBuild: ["RUN make"] }],
    [["HEALTHCHECK NONE"], { Healthcheck: { Test: ["NONE"] } }],
    [
      ['HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD ["curl", "x"]'],
      { Healthcheck: { Interval: 90e9, Timeout: 5e8, Retries: 3, Test: ["CMD", "curl", "x"] } },
    ],
    [["HEALTHCHECK CMD curl x"], { Healthcheck: { Test: ["CMD-SHELL", "curl x"] } }],
    [
      ["# a comment\nUSER me\nENV A=1 \\\n B=2"],
      { User: "me", Env: ["PATH=/bin", "NAME=web", "A=1", "B=2"] },
    ],
  ];
  for (const [changes, expected] of cases)
    test(JSON.stringify(changes), () => assert.deepEqual(change(...changes), { ...base, ...expected }));

  test("ENTRYPOINT alone takes the image's command away", () => {
    assert.deepEqual(change("ENTRYPOINT run"), {
      Env: base.Env,
      WorkingDir: "/srv",
      Labels: { a: "1" },
      Entrypoint: ["/bin/sh", "-c", "run"],
    });
  });

  test("the settings given are not written to", () => {
    const before = structuredClone(base);
    change("ENV X=1", "LABEL z=1", "EXPOSE 1", "CMD x");
    assert.deepEqual(base, before);
  });

  for (const bad of [
    "RUN make",
    "constructor x",
    "EXPOSE 99999",
    "EXPOSE",
    "ENV",
    "ENV A",
    "ENV =x",
    "ENV a=1 b",
    'ENV A="x',
    `ENV A=$${"{B?x}"}`,
    "ENV A=${B",
    "LABEL",
    "ONBUILD ONBUILD RUN x",
    "ONBUILD FROM x",
    "HEALTHCHECK CMD",
    "HEALTHCHECK --interval=1 CMD x",
    "HEALTHCHECK --what=1 CMD x",
    "HEALTHCHECK PING x",
    "USER a b",
    "STOPSIGNAL not/one",
    "VOLUME",
    'VOLUME [""]',
  ])
    test(`refuses ${bad}`, () =>
      assert.throws(
        () => change(bad),
        (error) => isPlyError(error, "invalid"),
      ));

  test("any text gives settings or a clear refusal", () => {
    const name = fc.constantFrom("ENV", "LABEL", "CMD", "EXPOSE", "VOLUME", "HEALTHCHECK", "WORKDIR", "USER");
    fc.assert(
      fc.property(name, fc.string(), (instruction, text) => {
        try {
          change(`${instruction} ${text}`);
        } catch (error) {
          assert.ok(isPlyError(error, "invalid"), String(error));
        }
      }),
    );
  });
});
