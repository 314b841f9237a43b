import assert from "node:assert/strict";
import { test } from "node:test";
import type { Instruction } from "./instruction.ts";
import { parseDockerfile, parseTrigger } from "./parse.ts";

/** The instructions of the first stage without what says where they stand. */
function bare(text: string): unknown[] {
  const [stage] = parseDockerfile(text).stages;
  return (stage?.instructions ?? []).map(withoutPlace);
}

function withoutPlace(instruction: Instruction): unknown {
  const { at: _at, keyword: _keyword, text: _text, comments: _comments, ...rest } = instruction;
  return rest;
}

const shell = (line: string) => ({ form: "shell", line });
const exec = (...args: string[]) => ({ form: "exec", args });
const path = (text: string) => ({ kind: "path", path: text });
const RUN = { op: "run", heredocs: [], mounts: [], network: "default", security: "sandbox", devices: [] };
const COPY = { op: "copy", from: undefined, chown: "", chmod: "", link: false, parents: false, excludes: [] };
const ADD = {
  op: "add",
  chown: "",
  chmod: "",
  link: false,
  keepGitDir: false,
  checksum: "",
  unpack: undefined,
  excludes: [],
};

const ONE: readonly (readonly [line: string, instruction: unknown])[] = [
  ["RUN echo hi", { ...RUN, command: shell("echo hi") }],
  ["run   echo   hi  ", { ...RUN, command: shell("echo   hi") }],
  ['RUN ["a", "b c"]', { ...RUN, command: exec("a", "b c") }],
  ['RUN [ "$x" = y ] && echo', { ...RUN, command: shell('[ "$x" = y ] && echo') }],
  ["RUN ['a', 'b']", { ...RUN, command: shell("['a', 'b']") }],
  [
    "RUN --network=none --mount=type=tmpfs,target=/t x",
    { ...RUN, network: "none", mounts: ["type=tmpfs,target=/t"], command: shell("x") },
  ],
  ["RUN -- --x", { ...RUN, command: shell("--x") }],
  ["CMD a b", { op: "cmd", command: shell("a b") }],
  ['CMD ["a"]', { op: "cmd", command: exec("a") }],
  ["CMD []", { op: "cmd", command: exec() }],
  ['ENTRYPOINT ["/x"]', { op: "entrypoint", command: exec("/x") }],
  [
    'ENV A=1 B="two words" C=a\\ b',
    {
      op: "env",
      pairs: [
        ["A", "1"],
        ["B", '"two words"'],
        ["C", "a\\ b"],
      ],
      isOldForm: false,
    },
  ],
  ["ENV A one two = three", { op: "env", pairs: [["A", "one two = three"]], isOldForm: true }],
  ["LABEL a.b=c", { op: "label", pairs: [["a.b", "c"]], isOldForm: false }],
  ["ARG x", { op: "arg", args: [{ name: "x", value: undefined }] }],
  [
    "ARG x= y=2",
    {
      op: "arg",
      args: [
        { name: "x", value: "" },
        { name: "y", value: "2" },
      ],
    },
  ],
  ["EXPOSE 80 53/udp", { op: "expose", values: ["80", "53/udp"] }],
  ['VOLUME ["/a b", "/c"]', { op: "volume", values: ["/a b", "/c"] }],
  ["VOLUME /a /b", { op: "volume", values: ["/a", "/b"] }],
  ["USER a:b", { op: "user", value: "a:b" }],
  ["WORKDIR /a b", { op: "workdir", value: "/a b" }],
  ["STOPSIGNAL 9", { op: "stopsignal", value: "9" }],
  ["MAINTAINER Me <me@x>", { op: "maintainer", value: "Me <me@x>" }],
  ['SHELL ["/bin/bash", "-c"]', { op: "shell", shell: ["/bin/bash", "-c"] }],
  ["HEALTHCHECK NONE", { op: "healthcheck", check: { Test: ["NONE"] } }],
  [
    "HEALTHCHECK --interval=1m30s --retries=3 CMD curl x",
    { op: "healthcheck", check: { Test: ["CMD-SHELL", "curl x"], Interval: 90e9, Retries: 3 } },
  ],
  ['HEALTHCHECK CMD ["a"]', { op: "healthcheck", check: { Test: ["CMD", "a"] } }],
  ["ONBUILD RUN x", { op: "onbuild", trigger: "RUN x" }],
  ["COPY a b/ /c/", { ...COPY, sources: [path("a"), path("b/")], destination: "/c/" }],
  ['COPY ["a b", "/c"]', { ...COPY, sources: [path("a b")], destination: "/c" }],
  [
    "COPY --from=x --chown=1:2 --chmod=755 --link --parents --exclude=*.md --exclude=b a /",
    {
      ...COPY,
      from: "x",
      chown: "1:2",
      chmod: "755",
      link: true,
      parents: true,
      excludes: ["*.md", "b"],
      sources: [path("a")],
      destination: "/",
    },
  ],
  ["COPY --link=false a /", { ...COPY, sources: [path("a")], destination: "/" }],
  [
    "ADD --checksum=sha256:00 --keep-git-dir --unpack=false http://x /y",
    {
      ...ADD,
      checksum: "sha256:00",
      keepGitDir: true,
      unpack: false,
      sources: [path("http://x")],
      destination: "/y",
    },
  ],
];
for (const [line, expected] of ONE)
  test(`parses ${line}`, () => assert.deepEqual(bare(`FROM x\n${line}\n`), [expected]));

const LINES: readonly (readonly [name: string, text: string, commands: readonly string[]])[] = [
  ["continuations", "FROM x\nRUN a \\\n  b \\\n  c\n", ["a   b   c"]],
  ["blanks after the escape", "FROM x\nRUN a \\  \n  b\n", ["a   b"]],
  ["two escapes at the end are none", "FROM x\nRUN a \\\\\nRUN b", ["a \\\\", "b"]],
  ["comments within continuations", "FROM x\nRUN a \\\n# no\n  # neither\n b\n", ["a  b"]],
  ["empty lines within continuations", "FROM x\nRUN a \\\n\n\n b\n", ["a  b"]],
  ["comments are whole lines only", "FROM x\nRUN a # b\n", ["a # b"]],
  ["Windows line ends", "FROM x\r\nRUN a \\\r\n  b\r\n", ["a   b"]],
  ["a byte order mark", "\uFEFFFROM x\nRUN a", ["a"]],
  ["another escape token", "# escape=`\nFROM x\nRUN a `\n b \\\nRUN c", ["a  b \\", "c"]],
  ["a directive after a comment is a comment", "# hi\n# escape=`\nFROM x\nRUN a \\\n b", ["a  b"]],
  ["an open continuation at the end", "FROM x\nRUN a \\", ["a"]],
  ["indented instructions", "  FROM x\n\t RUN a", ["a"]],
];
for (const [name, text, commands] of LINES)
  test(name, () => {
    const found = parseDockerfile(text).stages[0]?.instructions.map((each) =>
      each.op === "run" && each.command.form === "shell" ? each.command.line : each.op,
    );
    assert.deepEqual(found, commands);
  });

test("heredocs: body, name quoted or not, chomped, several, in COPY and ADD", () => {
  const text = [
    "FROM x",
    "RUN <<EOF cat",
    "one $x",
    "# no comment",
    "EOF",
    'RUN <<-"A" <<B x',
    "\ttabbed",
    "\tA",
    "b \\",
    "B",
    "COPY <<a.txt <<'b.txt' c /d/",
    "A",
    "a.txt",
    "$B",
    "b.txt",
    "USER u",
  ].join("\n");
  const [one, two, copy, user] = parseDockerfile(text).stages[0]?.instructions ?? [];
  assert(one?.op === "run" && two?.op === "run" && copy?.op === "copy" && user?.op === "user");
  assert.deepEqual(one.heredocs, [
    { name: "EOF", content: "one $x\n# no comment\n", isExpanded: true, isChomped: false, fileDescriptor: 0 },
  ]);
  assert.deepEqual(
    two.heredocs.map(({ content, isExpanded, isChomped }) => [content, isExpanded, isChomped]),
    [
      ["\ttabbed\n", false, true],
      ["b \\\n", true, false],
    ],
  );
  assert.deepEqual(copy.sources, [
    { kind: "inline", name: "a.txt", content: "A\n", isExpanded: true },
    { kind: "inline", name: "b.txt", content: "$B\n", isExpanded: false },
    { kind: "path", path: "c" },
  ]);
  assert.deepEqual([one.at.start, one.at.end, user.at.start], [2, 5, 16]);
});

test("shell redirections that only look like heredocs stay text", () => {
  assert.deepEqual(bare("FROM x\nRUN a <<< b\nRUN echo $((1<<2))"), [
    { ...RUN, command: shell("a <<< b") },
    { ...RUN, command: shell("echo $((1<<2))") },
  ]);
});

test("stages, their names and global arguments", () => {
  const file = parseDockerfile(
    "ARG V=1\nFROM a:$V AS Base\nRUN x\nFROM --platform=linux/arm64 base as two\n",
  );
  assert.deepEqual(
    file.globalArgs.map(({ args }) => args),
    [[{ name: "V", value: "1" }]],
  );
  assert.deepEqual(
    file.stages.map(({ index, from: { image, name, platform } }) => [index, image, name, platform]),
    [
      [0, "a:$V", "base", undefined],
      [1, "base", "two", "linux/arm64"],
    ],
  );
});

test("directives", () => {
  const { directives } = parseDockerfile("# syntax = docker/dockerfile:1 \n#check=skip=all\nFROM x");
  assert.deepEqual(directives, { escape: "\\", syntax: "docker/dockerfile:1", check: "skip=all" });
});

test("an ONBUILD trigger is parsed when it is due, heredoc and all", () => {
  const [stage] = parseDockerfile("FROM x\nONBUILD RUN <<EOF\na\nEOF\n").stages;
  const [onbuild] = stage?.instructions ?? [];
  assert(onbuild?.op === "onbuild");
  const [run] = parseTrigger(onbuild.trigger, "x");
  assert(run?.op === "run");
  assert.equal(run.heredocs[0]?.content, "a\n");
});

const WRONG: readonly (readonly [text: string, message: RegExp])[] = [
  ["", /cannot be empty/],
  ["# only\n", /cannot be empty/],
  ["RUN x", /line 1 of Dockerfile: no build stage in current context/],
  ["ARG x", /no build stage/],
  ["FROM x\nCPOY a b", /line 2 of Dockerfile: unknown instruction: CPOY \(did you mean COPY\?\)/],
  ["FROM x\nXYZZY a b", /line 2 of Dockerfile: unknown instruction: XYZZY$/],
  ["FROM x\nCOPY --form=a b c", /unknown flag: --form \(did you mean --from\?\)/],
  ["FROM x\nCOPY --chown a b", /missing a value on flag: chown/],
  ["FROM x\nCOPY --link=maybe a b", /expecting boolean value for flag link, not: maybe/],
  ["FROM x\nCOPY --chown=1 --chown=2 a b", /duplicate flag specified: chown/],
  ["FROM x\nCOPY a", /COPY requires at least two arguments, but only one was provided/],
  ["FROM a b", /FROM requires either one or three arguments/],
  ["FROM a AS 1x", /invalid name for build stage: "1x"/],
  ["FROM x\nENV a", /ENV must have two arguments/],
  ["FROM x\nENV a=b c", /can't find = in "c"/],
  ["FROM x\nENV =b", /ENV names can not be blank/],
  ["FROM x\nSHELL a", /SHELL requires the arguments to be in JSON form/],
  ['FROM x\nCMD ["a", 1]', /arrays must be comprised of strings only/],
  ["FROM x\nONBUILD ONBUILD RUN x", /Chaining ONBUILD/],
  ["FROM x\nONBUILD FROM y", /FROM isn't allowed as an ONBUILD trigger/],
  ["FROM x\nHEALTHCHECK RUN x", /Unknown type "RUN" in HEALTHCHECK/],
  ["FROM x\nHEALTHCHECK --interval=x CMD y", /invalid duration "x"/],
  ["FROM x\nRUN --network=x y", /invalid network mode "x"/],
  ["FROM x\nRUN <<EOF\na\n", /line 2 of Dockerfile: unterminated heredoc EOF/],
  ["FROM x\nUSER", /USER requires exactly one argument/],
  ["FROM x\nVOLUME []", /VOLUME requires at least one argument/],
  ["# escape=x\nFROM x", /invalid escape token 'x'/],
  ["# escape=`\n# escape=`\nFROM x", /only one escape parser directive/],
];
for (const [text, message] of WRONG)
  test(`refuses ${JSON.stringify(text)}`, () =>
    assert.throws(() => parseDockerfile(text), { message, kind: "invalid" }));

test("knows the comments right above an instruction, and where empty lines stood in one", () => {
  const { stages, globalArgs, emptyContinuations } = parseDockerfile(
    "# check=skip=X\n# V the version\nARG V\n# gone\n\n# also\n#\nFROM scratch\n  # b\n# c\nRUN a \\\n # within\n\n  b\nRUN c",
  );
  assert.deepEqual(globalArgs[0]?.comments, ["V the version"]);
  assert.deepEqual(stages[0]?.from.comments, []);
  assert.deepEqual(
    stages[0]?.instructions.map(({ comments }) => comments),
    [["b", "c"], []],
  );
  assert.deepEqual(emptyContinuations, [{ file: "Dockerfile", start: 14, end: 14 }]);
});
