import assert from "node:assert/strict";
import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { isPlyError } from "../error.ts";
import { runCredentialHelper } from "./credential-helper.ts";
import {
  allDockerCredentials,
  configPath,
  dockerConfigCredentials,
  eraseCredentials,
  storeCredentials,
} from "./docker-config.ts";

const dir = await mkdtemp(join(tmpdir(), "ply-docker-config-"));
after(() => rm(dir, { recursive: true, force: true }));

let count = 0;
async function configFile(content: unknown): Promise<string> {
  const path = join(dir, `config-${count++}.json`);
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const encode = (pair: string): string => Buffer.from(pair).toString("base64");
const json = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, "utf8"));

/** A helper that keeps one secret per server in a folder. */
const helper = `#!/bin/sh
set -e
cd "$KEYCHAIN"
case $1 in
get) name=$(tr -c '[:alnum:]\\n' _); [ -f "$name" ] || { echo "credentials not found in native keychain"; exit 1; }; cat "$name";;
store) input=$(cat); name=$(echo "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/' | tr -c '[:alnum:]\\n' _); echo "$input" >"$name";;
erase) rm "$(tr -c '[:alnum:]\\n' _)";;
esac
`;

async function withHelper(script = helper): Promise<{ PATH: string; KEYCHAIN: string }> {
  const bin = await mkdtemp(join(dir, "bin-"));
  await writeFile(join(bin, "docker-credential-test"), script);
  await chmod(join(bin, "docker-credential-test"), 0o755);
  return { PATH: `${bin}:${process.env["PATH"]}`, KEYCHAIN: await mkdtemp(join(dir, "keys-")) };
}

describe("reading", () => {
  test("auth, identity tokens and plain fields, under any spelling of the host", async () => {
    const path = await configFile({
      auths: {
        "https://index.docker.io/v1/": { auth: encode("me:pa:ss") },
        "https://quay.io/v2/": { auth: encode("a:b"), identitytoken: "tok" },
        "ghcr.io": { username: "u", password: "p" },
        "empty.example": {},
        "[::1]:5000": { registrytoken: "bearer" },
      },
    });
    const credentialsFor = dockerConfigCredentials({ path });
    assert.deepEqual(await credentialsFor("docker.io"), { username: "me", password: "pa:ss" });
    assert.deepEqual(await credentialsFor("registry-1.docker.io"), { username: "me", password: "pa:ss" });
    assert.deepEqual(await credentialsFor("quay.io"), { username: "a", password: "b", identityToken: "tok" });
    assert.deepEqual(await credentialsFor("ghcr.io"), { username: "u", password: "p" });
    assert.deepEqual(await credentialsFor("[::1]:5000"), { registryToken: "bearer" });
    for (const host of ["empty.example", "other.example", "ghcr.io:443", "constructor"])
      assert.equal(await credentialsFor(host), undefined, host);
  });

  test("no file, and an empty one, hold nothing", async () => {
    assert.equal(await dockerConfigCredentials({ path: join(dir, "none") })("a.example"), undefined);
    assert.equal(await dockerConfigCredentials({ path: await configFile("") })("a.example"), undefined);
  });

  test("DOCKER_CONFIG names the folder, else HOME", () => {
    assert.equal(configPath({ env: { DOCKER_CONFIG: "/x", HOME: "/h" } }), "/x/config.json");
    assert.equal(configPath({ env: { HOME: "/h" } }), "/h/.docker/config.json");
  });

  test("a broken file is named, and none of it shown", async () => {
    const path = await configFile(`{"auths":{"a.example":{"auth":"c2VjcmV0"}`);
    await assert.rejects(dockerConfigCredentials({ path })("a.example"), (error) => {
      assert.ok(isPlyError(error, "invalid") && error.message.includes(path));
      assert.ok(!`${error.message}${String(error.cause)}`.includes("c2VjcmV0"));
      return true;
    });
    const bad = await configFile({ auths: { "a.example": { auth: encode("nocolon") } } });
    await assert.rejects(dockerConfigCredentials({ path: bad })("a.example"), /not USER:PASSWORD/);
  });
});

describe("storing", () => {
  test("keeps the other fields, for the owner only, through a link", async () => {
    const target = await configFile({
      detachKeys: "ctrl-x",
      auths: { "b.example": { auth: encode("x:y") } },
    });
    const path = join(dir, "link.json");
    await symlink(target, path);
    const stored = await storeCredentials("a.example", { username: "u", password: "pä" }, { path });
    assert.deepEqual(stored, { where: "file", place: path });
    assert.deepEqual(await json(path), {
      detachKeys: "ctrl-x",
      auths: { "b.example": { auth: encode("x:y") }, "a.example": { auth: encode("u:pä") } },
    });
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.ok((await lstat(path)).isSymbolicLink());
    assert.deepEqual(await dockerConfigCredentials({ path })("a.example"), { username: "u", password: "pä" });
    assert.ok(!(await readdir(dir)).some((name) => name.startsWith(".")));
  });

  test("makes the folder, uses Docker Hub's old key, and an identity token hides the password", async () => {
    const path = join(dir, "new", "config.json");
    await storeCredentials("docker.io", { username: "u", password: "p", identityToken: "t" }, { path });
    assert.deepEqual(await json(path), {
      auths: { "https://index.docker.io/v1/": { auth: encode("u:"), identitytoken: "t" } },
    });
  });

  test("erases all spellings, and says whether there was one", async () => {
    const path = await configFile({
      auths: { "https://a.example": { auth: encode("u:p") }, "b.example": {} },
    });
    assert.equal(await eraseCredentials("a.example", { path }), true);
    assert.deepEqual(await json(path), { auths: { "b.example": {} } });
    assert.equal(await eraseCredentials("a.example", { path }), false);
  });
});

describe("helpers", () => {
  test("store, get and erase through credsStore", async () => {
    const env = await withHelper();
    const options = { path: await configFile({ credsStore: "test" }), env };
    const credentialsFor = dockerConfigCredentials(options);
    assert.equal(await credentialsFor("a.example"), undefined);
    const stored = await storeCredentials("a.example", { username: "u", password: "p" }, options);
    assert.deepEqual(stored, { where: "helper", place: "test" });
    assert.deepEqual(await credentialsFor("a.example"), { username: "u", password: "p" });
    assert.deepEqual(await json(options.path), { credsStore: "test", auths: { "a.example": {} } });
    await storeCredentials("docker.io", { username: "u", identityToken: "tok" }, options);
    assert.deepEqual(await credentialsFor("docker.io"), { identityToken: "tok" });
    assert.equal(await eraseCredentials("a.example", options), true);
    assert.equal(await credentialsFor("a.example"), undefined);
  });

  test("credHelpers counts before credsStore, for its host only", async () => {
    const env = await withHelper('#!/bin/sh\ncat >/dev/null; echo \'{"Username":"h","Secret":"s"}\'\n');
    const path = await configFile({
      credHelpers: { "a.example": "test" },
      auths: { "b.example": { auth: encode("x:y") } },
    });
    const credentialsFor = dockerConfigCredentials({ path, env });
    assert.deepEqual(await credentialsFor("a.example"), { username: "h", password: "s" });
    assert.deepEqual(await credentialsFor("b.example"), { username: "x", password: "y" });
  });

  const failing: [what: string, script: string, message: RegExp][] = [
    [
      "fails",
      "#!/bin/sh\necho the keychain is locked >&2; exit 3\n",
      /docker-credential-test get: the keychain is locked/,
    ],
    ["answers nonsense", "#!/bin/sh\necho hunter2\n", /not JSON/],
    ["answers without a secret", "#!/bin/sh\necho '{}'\n", /without Username and Secret/],
    ["never stops talking", "#!/bin/sh\nexec yes\n", /answer is too long/],
  ];
  for (const [what, script, message] of failing)
    test(`a helper that ${what} is an error without secrets`, async () => {
      const path = await configFile({ credsStore: "test" });
      const env = await withHelper(script);
      await assert.rejects(dockerConfigCredentials({ path, env })("a.example"), (error) => {
        assert.ok(isPlyError(error));
        assert.match(error.message, message);
        assert.ok(!error.message.includes("hunter2"));
        return true;
      });
    });

  test("a helper that never answers is ended", async () => {
    const env = await withHelper('#!/bin/sh\necho $$ >"$KEYCHAIN/pid"; exec sleep 600\n');
    await assert.rejects(
      runCredentialHelper("test", "get", { input: "a.example", env, timeoutMs: 200 }),
      (error) => isPlyError(error, "unavailable") && /no answer in 0.2 s/.test(error.message),
    );
  });

  test("a helper that is missing, and one whose name is a path", async () => {
    const env = { PATH: "/nonexistent" };
    const missing = await configFile({ credsStore: "none-such" });
    await assert.rejects(dockerConfigCredentials({ path: missing, env })("a.example"), (error) =>
      isPlyError(error, "unavailable"),
    );
    const path = await configFile({ credsStore: "../../bin/sh" });
    await assert.rejects(dockerConfigCredentials({ path, env })("a.example"), (error) =>
      isPlyError(error, "invalid"),
    );
  });
});

describe("reading all", () => {
  test("asks helpers only for hosts that matter, and passes over what is broken for others", async () => {
    const env = await withHelper(`#!/bin/sh
read host
echo "$host" >> "$KEYCHAIN/asked"
echo '{"Username":"u","Secret":"'"$host"'"}'
`);
    const path = await configFile({
      auths: {
        "plain.example": { auth: encode("a:b") },
        "broken.example": { auth: "!" },
        "https://index.docker.io/v1/": {},
      },
      credHelpers: { "one.example": "test", "two.example": "test" },
    });
    const read = (others: readonly string[], matters: (host: string) => boolean) =>
      allDockerCredentials({ path, env, others, matters });
    assert.deepEqual(
      [...(await read(["one.example"], (host) => host === "one.example"))],
      [
        ["one.example", { username: "u", password: "one.example" }],
        ["plain.example", { username: "a", password: "b" }],
      ],
    );
    assert.equal(await readFile(join(env.KEYCHAIN, "asked"), "utf8"), "one.example\n");
    assert.deepEqual([...(await read([], () => true)).keys()].sort(), [
      "one.example",
      "plain.example",
      "two.example",
    ]);
    await assert.rejects(
      read(["broken.example"], () => false),
      (error) => isPlyError(error, "invalid"),
    );
  });
});
