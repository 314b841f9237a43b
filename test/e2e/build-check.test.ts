// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startBuildKit } from "../../bench/peers/buildkit.ts";
import type { Peer } from "../../bench/peers/peer.ts";
import { type BuildRoom, openBuildRoom } from "../support/build-room.ts";
import { unless } from "../support/needs.ts";
import { PLY_BINARY, type TestEngine } from "../support/ply.ts";
import { run } from "../support/process.ts";
import { tarball } from "../support/tarball.ts";
import { openTerminal } from "../support/terminal.ts";

interface CheckDocument {
  readonly warnings:
    | readonly {
        readonly ruleName: string;
        readonly detail: string;
        readonly url?: string;
        readonly location: { readonly ranges: readonly { readonly start: { readonly line: number } }[] };
      }[]
    | null;
  readonly sources: readonly { readonly filename: string; readonly data: string }[];
  readonly buildError?: { readonly message: string };
}

/** `LINE RULE: MESSAGE URL`, in any order; which name may be meant is ply's own guess. */
function rowsOf({ warnings }: CheckDocument): string[] {
  const rows = (warnings ?? []).map(
    ({ ruleName, detail, url, location }) =>
      `${location.ranges[0]?.start.line} ${ruleName}: ${detail.replace(/ \(did you mean .*/, "")} ${url}`,
  );
  return rows.sort();
}

/** Between them they break every rule that Debian's BuildKit has on. */
const BROKEN: readonly string[] = [
  `ARG VERSION=1
FROM scratch AS Base
MAINTAINER me
WORKDIR a
ENV old form
LABEL old form
ARG GITHUB_TOKEN
ENV API_KEY=x PUBLIC_KEY=y
COPY $NOPE \${OTHER:-x} /x/
EXPOSE 80/TCP 127.0.0.1:81:81
CMD one
CMD ["two"]
ENTRYPOINT three
HEALTHCHECK NONE
HEALTHCHECK CMD true
run echo \\

  $SHELL
FROM scratch as base
From scratch AS context
`,
  `# check=skip=MaintainerDeprecated,StageNameCasing;experimental=InvalidDefinitionDescription
# not about it
ARG A=1
FROM scratch AS Skipped
MAINTAINER me
CMD a
ENV b c
`,
  `ARG TAG
FROM --platform=$TARGETPLATFORM scratch AS one
FROM --platform=linux/amd64 scratch AS two
FROM --platform=linux/amd64 scratch AS two-amd64
FROM one AS three
ONBUILD ARG V=1
FROM three
LABEL v=$V w=$W
`,
  "from scratch as lower\nCOPY --from=0 a b\nrun x\nenv a=b\n",
  "# check=skip=all\nFROM scratch\nCMD a\nMAINTAINER b\n",
  "# check=error=true\nFROM scratch\nCMD a\n",
  "FROM scratch\nENV A=${N:?missing}\n",
  "FROM scratch\nLABEL fine=yes\n",
];

describe("ply build --check and what a build shows", {
  skip: unless("root", "dockerd", "script"),
}, () => {
  let room: BuildRoom;
  let engine: TestEngine;
  let work: string;
  let contextOf: BuildRoom["contextOf"];

  before(async () => {
    room = await openBuildRoom();
    ({ engine, work, contextOf } = room);
  });
  after(() => room[Symbol.asyncDispose]());

  const build = (...args: string[]) => engine.ply(["build", "--network", "none", ...args]);

  test("finds what BuildKit finds, at the same lines and in the same words", async () => {
    const started = await startBuildKit(work);
    if ("absent" in started) throw new Error(started.absent);
    await using peer: Peer = started;
    await Promise.all(
      BROKEN.map(async (text) => {
        const directory = contextOf(text);
        const call = ["build", "--call=check,format=json", directory];
        const theirs = await run("docker", ["buildx", ...call], { env: peer.environment });
        const own = await engine.ply(call);
        const [expected, found] = [theirs, own].map(({ stdout }) => JSON.parse(stdout) as CheckDocument);
        assert(expected !== undefined && found !== undefined);
        assert.deepEqual(rowsOf(found), rowsOf(expected), text);
        assert.equal(found.buildError === undefined, expected.buildError === undefined, text);
        assert.equal(own.code, theirs.code, text);
        const source = found.sources[0];
        assert.equal(source?.filename, "Dockerfile");
        assert.equal(Buffer.from(source?.data ?? "", "base64").toString(), text);
      }),
    );
  });

  test("as text; no image is needed, and nothing is built", async () => {
    const directory = contextOf("FROM localhost:1/nowhere:1 AS Base\nCOPY a /\nENV X=$HOME\n", {
      ".dockerignore": "# notes\na\n",
      a: "a",
    });
    const { stdout, stderr, code } = await build("--check", directory);
    assert.equal(code, 1);
    assert.equal(stderr, "");
    assert.match(
      stdout,
      /^Check complete, 2 warnings have been found!\n\nWARNING: StageNameCasing - https:\S+\nStage name 'Base' should be lowercase\nDockerfile:1\n-{20}\n {3}1 \| >>> FROM localhost/,
    );
    assert.match(
      stdout,
      /WARNING: CopyIgnoredFile[\s\S]*"a" that is excluded by \.dockerignore\nDockerfile:2\n/,
    );
    const fine = await build("--call=check", contextOf("FROM scratch\n"));
    assert.deepEqual([fine.code, fine.stdout], [0, "Check complete, no warnings found.\n"]);
    assert.equal((await build("--call=check,ignorestatus=true", directory)).code, 0);
    const broken = await build("--check", contextOf("FROM scratch\nRUNN x\n"));
    assert.equal(broken.code, 1);
    assert.match(broken.stderr, /^ERROR: .*unknown instruction: RUNN \(did you mean RUN\?\)\nDockerfile:2\n/);
    assert.match((await build("--call=sing", directory)).stderr, /invalid argument "sing" for "--call" flag/);
  });

  test("of archives and of a Dockerfile on standard input; outline and targets", async () => {
    const text = "# TAG which one\nARG TAG=1\n# app all of it\nFROM scratch AS app\nARG TAG\nCMD x\n";
    const archive = tarball([
      { name: "Dockerfile", data: text },
      { name: ".dockerignore", data: "x\n" },
    ]);
    const options = (stdin: string | Buffer) => ({ stdin });
    const checked = await engine.ply(["build", "--call=check,format=json", "-"], options(archive));
    assert.deepEqual(
      rowsOf(JSON.parse(checked.stdout) as CheckDocument).map((row) => row.split(":")[0]),
      ["6 JSONArgsRecommended"],
    );
    const outline = await engine.must(["build", "--call=outline", "-"], options(text));
    assert.equal(
      outline.stdout,
      "TARGET:        app\nDESCRIPTION:   all of it\n\nBUILD ARG   VALUE     DESCRIPTION\nTAG         1         which one\n",
    );
    const targets = await engine.must(["build", "--call=targets", "-"], options(text));
    assert.equal(targets.stdout, "TARGET          DESCRIPTION\napp (default)   all of it\n");
  });

  test("builds tell what checks find, at their end; error=true fails them before anything is done", async () => {
    const text = "FROM bb:1 AS unused\nMAINTAINER me\nFROM bb:1\nENV G=$GREETING H=$GREETINGS\nCMD x\n";
    const { stderr } = await engine.must(["build", "--network", "none", contextOf(text)]);
    assert.match(
      stderr,
      /DONE [^\n]*\n\n 3 warnings found \(ply build --check shows where\):\n - MaintainerDeprecated: [^\n]* \(line 2\)\n - UndefinedVar: Usage of undefined variable '\$GREETINGS' \(did you mean \$GREETING\?\) \(line 4\)\n - JSONArgsRecommended: [^\n]* \(line 5\)\n$/,
    );
    const raw = await engine.must(["build", "--progress", "rawjson", contextOf(text)]);
    const messages = raw.stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; rule?: string; line?: number });
    assert.deepEqual(
      messages.filter(({ type }) => type === "warning").map(({ rule, line }) => [rule, line]),
      [
        ["MaintainerDeprecated", 2],
        ["UndefinedVar", 4],
        ["JSONArgsRecommended", 5],
      ],
    );
    const strict = await build(contextOf(`# check=error=true\n${text.replace("CMD", "RUN false\nCMD")}`));
    assert.equal(strict.code, 1);
    assert.match(strict.stderr, /Error: lint violation found for rules: MaintainerDeprecated/);
    assert.doesNotMatch(strict.stderr, /#1/);
    const skipped = ["--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all", contextOf(text)];
    assert.doesNotMatch((await build(...skipped)).stderr, /warning/);
    // Docker's classic builder knows of no checks.
    const classic = await engine.docker(
      ["build", "--network", "none", contextOf(`# check=error=true\n${text}`)],
      {
        env: { DOCKER_BUILDKIT: "0" },
      },
    );
    assert.equal(classic.code, 0, classic.stderr);
    assert.doesNotMatch(classic.stdout + classic.stderr, /MaintainerDeprecated|lint/);
  });

  const FAILURES: readonly (readonly [dockerfile: string, said: RegExp])[] = [
    [
      "FROM bb:1\nCOPY --form=x a b\n",
      /Dockerfile:2\n[\s\S]*unknown flag: --form \(did you mean --from\?\)\n$/,
    ],
    ["FROM bb:1\nCOPY mian.c /\n", /file not found in build context[\s\S]*Hint: did you mean main\.c\?\n$/],
    ["FROM bb:1\nCOPY part.c /\n", /Hint: there is src\/part\.c: paths begin at the root\n$/],
    ["FROM bb:1\nADD secret.env /\n", /Hint: the ignore file leaves it out: \*\.env \(line 1\)\n$/],
    ["FROM bb:1\nCOPY ../x /\n", /Hint: what lies outside of the context is not seen/],
    [
      "FROM bb:1\nCOPY --from=bb:1 /etc/passwdd /x\n",
      /COPY failed: stat etc\/passwdd: file does not exist\nHint: did you mean etc\/passwd\?\n$/,
    ],
    [
      "FROM scratch\nCOPY main.c /\nRUN true\n",
      /Dockerfile:3\n[\s\S]*Hint: there is no \/bin\/sh in the stage/,
    ],
    ["FROM --platform=a/b/c/d bb:1\n", /Dockerfile:1\n[\s\S]*invalid platform "a\/b\/c\/d"/],
    ['FROM bb:1\nRUN ["true", x]\n', /Hint: this is no JSON list, so the shell ran it/],
    ["FROM bb:1 AS bb\nCOPY --from=bc /x /x\n", /bc: cannot connect to[\s\S]*Hint: did you mean bb\?\n$/],
    ["FROM localhost:1/x:1\n", /Dockerfile:1\n[\s\S]*localhost:1\/x:1: cannot connect to localhost:1/],
    [
      "FROM bb:1\nRUN nosuch\n",
      / > \[2\/2\] RUN nosuch:\n[\s\S]*not found\n-{6}\n[\s\S]*code: 127\nHint: 127: there is no such program in PATH=/,
    ],
    ["FROM bb:1\nRUN sh -c 'kill -9 $$'; exit $?\n", /code: 137\nHint: 137: it was killed \(SIGKILL\)/],
    [
      "FROM bb:1\nRUN --mount=type=cach,target=/x true\n",
      /unsupported mount type "cach" \(did you mean cache\?\)/,
    ],
    ["FROM bb:1\nRUN --mount=type=secret,id=t,required true\n", /Hint: give it: --secret id=t,src=FILE/],
    ["FROM bb:1\nEXPOSE http\n", /invalid containerPort: http\nHint: a port is a number/],
  ];
  for (const [text, said] of FAILURES)
    test(`says what is wrong: ${JSON.stringify(text)}`, async () => {
      const files = { "main.c": "", "src/part.c": "", "secret.env": "", ".dockerignore": "*.env\n" };
      const { code, stderr } = await build("--progress", "plain", contextOf(text, files));
      assert.equal(code, 1, stderr);
      assert.match(stderr, said);
      assert.match(stderr, /\| >>> /);
    });

  test("says that an image is here, where a newer one cannot be had", async () => {
    const { code, stderr } = await build("--progress", "plain", "--pull", contextOf("FROM bb:1\n"));
    assert.equal(code, 1, stderr);
    assert.match(stderr, /\nHint: bb:1 is here for linux\/amd64: without --pull it is used\n$/);
  });

  test("steps that run side by side, on a terminal that becomes small, until somebody cancels", async () => {
    const directory = contextOf(
      `FROM bb:1 AS one
RUN i=0; while true; do printf "\\r\\033[32mone $i 世界\\033[0m"; i=$((i+1)); sleep 0.02; done
FROM bb:1 AS two
RUN i=0; while true; do echo "two $i of a line that is longer than the terminal is wide"; i=$((i+1)); sleep 0.02; done
FROM bb:1
COPY --from=one /x /x
COPY --from=two /x /x
`,
    );
    await using terminal = await openTerminal([PLY_BINARY, "build", "--network", "none", directory], {
      env: { PLY_HOST: engine.host, TERM: "xterm" },
      rows: 20,
      columns: 50,
    });
    // The terminal is read byte by byte: an ellipsis is three of them.
    await terminal.sees(/\[\+\] Building [\d.]+s \(3\/7\)/);
    await terminal.sees(/ => \[one 2\/2\] RUN i=0; while true; do print\S+ +[\d.]+s/);
    await terminal.sees(/ => => # one \d+ \xe4\xb8\x96/);
    await terminal.sees(/ => => # two \d+ of a line that is longer than the?\xe2/);
    await terminal.resize({ rows: 8, columns: 24 });
    await terminal.sees(/ => => # two \d+ of a [line]*\xe2/);
    await terminal.resize({ rows: 20, columns: 60 });
    await terminal.sees(/ => => # two \d+ of a line that is longer than the ter/);
    terminal.type("\x03");
    await terminal.sees(
      /STOPPED[\s\S]*CANCELED \[one 2\/2\][\s\S]*CANCELED \[two 2\/2\][\s\S]*Build cancelled\./,
    );
    assert.equal(await terminal.ended(), 130);
  });

  test("colours and modes as the environment wants them", async () => {
    const directory = contextOf("FROM bb:1\nRUN printf '\\033[31mred\\033[0m 1%%\\r100%%\\n'\n");
    const env = { PLY_HOST: engine.host, TERM: "xterm" };
    const seen = async (more: Readonly<Record<string, string>>, what: RegExp): Promise<void> => {
      await using terminal = await openTerminal(
        [PLY_BINARY, "build", "--no-cache", "--network", "none", directory],
        { env: { ...env, ...more }, rows: 20, columns: 80 },
      );
      await terminal.sees(what);
      assert.equal(await terminal.ended(), 0);
    };
    await Promise.all([
      seen({}, /\x1b\[36m => \[2\/2\] RUN printf [^\x1b]*\x1b\[0m/),
      seen({ NO_COLOR: "1" }, /FINISHED\r\n => \[1\/2\] FROM bb:1/),
      seen({ BUILDKIT_PROGRESS: "plain" }, /#2 \[2\/2\] RUN[^\n]*\n#2 [\d.]+ 100%1%\r\n#2 DONE/),
      seen({ PLY_PROGRESS: "tty", BUILDKIT_PROGRESS: "plain" }, /\[\+\] Building/),
    ]);
    const log = join(work, "log");
    const { stderr } = await engine.must([
      "build",
      "--no-cache",
      "--network",
      "none",
      "--iidfile",
      log,
      directory,
    ]);
    assert.match(stderr, /#2 [\d.]+ 100%1%\n#2 DONE/);
    assert.match(readFileSync(log, "utf8"), /^sha256:/);
  });
});
