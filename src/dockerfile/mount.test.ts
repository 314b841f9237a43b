import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRunMount } from "./mount.ts";

const parse = (text: string) => parseRunMount(text, (value) => value.replace("$V", "v"));

test("every kind with its defaults", () => {
  assert.deepEqual(parse("target=/a"), {
    type: "bind",
    target: "/a",
    from: undefined,
    source: "/",
    readOnly: true,
  });
  assert.deepEqual(parse("type=cache,dst=/c$V,sharing=locked,mode=0755,uid=5"), {
    type: "cache",
    target: "/cv",
    id: "/cv",
    from: undefined,
    source: "/",
    readOnly: false,
    sharing: "locked",
    mode: 0o755,
    uid: 5,
    gid: 0,
  });
  assert.deepEqual(parse("type=tmpfs,target=/t,size=1.5k"), { type: "tmpfs", target: "/t", sizeBytes: 1536 });
  const owner = { uid: 0, gid: 0 };
  assert.deepEqual(parse("type=secret,id=x"), {
    type: "secret",
    id: "x",
    target: "/run/secrets/x",
    env: undefined,
    required: false,
    mode: 0o400,
    ...owner,
  });
  assert.deepEqual(parse("type=secret,id=x,env=E,required"), {
    type: "secret",
    id: "x",
    target: undefined,
    env: "E",
    required: true,
    mode: 0o400,
    ...owner,
  });
  assert.deepEqual(parse("type=ssh"), {
    type: "ssh",
    id: "default",
    target: undefined,
    required: false,
    mode: 0o600,
    ...owner,
  });
  assert.deepEqual(parse('type=bind,rw,"source=a,b",from=s,target=x'), {
    type: "bind",
    target: "x",
    from: "s",
    source: "a,b",
    readOnly: false,
  });
});

const WRONG: readonly (readonly [text: string, message: RegExp])[] = [
  ["type=x", /unsupported mount type "x"/],
  ["type=bind", /target is required/],
  ["type=tmpfs,target=/a,id=x", /unexpected key 'id' for mount type 'tmpfs'/],
  ["target=/a,foo=x", /unexpected key 'foo' in mount/],
  ["target=/a,from=$x", /'from' doesn't support variable expansion/],
  ["type=cache,target=/a,sharing=x", /unsupported sharing value/],
  ["type=cache,target=/a,mode=9", /invalid value 9 for mode/],
  ["target", /must be a key=value pair/],
];
for (const [text, message] of WRONG)
  test(`refuses ${text}`, () => assert.throws(() => parse(text), { message }));
