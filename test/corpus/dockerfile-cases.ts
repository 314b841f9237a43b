// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles are what is meant
import type { Member } from "../support/tarball.ts";

/** One small Dockerfile that ply and its peers build from the same context. */
export interface DockerfileCase {
  readonly name: string;
  /** What follows `FROM base`; a text with a FROM of its own is the whole file. */
  readonly text: string;
  /** Beside {@link CONTEXT}. */
  readonly context?: readonly Member[];
  readonly args?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  /** Both refuse it; ply's words. */
  readonly fails?: RegExp;
  /**
   * The classic builder does otherwise, and why we do not. Its result is not compared; `tree` and `config` say what ours
   * must be.
   */
  readonly differs?: string;
  /** Path → `type mode uid:gid content`, or null for nothing there. */
  readonly tree?: Readonly<Record<string, string | null>>;
  readonly config?: Readonly<Record<string, unknown>>;
}

export const CONTEXT_TIME = 1_500_000_000;
const file = (name: string, data: string, more: Partial<Member> = {}): Member => ({
  name,
  data,
  mtime: CONTEXT_TIME,
  ...more,
});
const directory = (name: string, more: Partial<Member> = {}): Member => ({
  name,
  type: "5",
  mtime: CONTEXT_TIME,
  ...more,
});
const link = (name: string, to: string): Member => ({
  name,
  type: "2",
  link: to,
  mode: 0o777,
  mtime: CONTEXT_TIME,
});

/** What every case finds in its context. */
export const CONTEXT: readonly Member[] = [
  file("a.txt", "a\n"),
  file("b.txt", "b\n"),
  file("c.md", "c\n"),
  file("exe", "#!/bin/sh\necho exe\n", { mode: 0o755 }),
  file("secret", "s\n", { mode: 0o600 }),
  file("with space", "space\n"),
  file("[weird]", "w\n"),
  file("owned", "o\n", { uid: 7, gid: 8 }),
  file("empty", ""),
  directory("dir/", { mode: 0o755 }),
  file("dir/one", "1\n"),
  file("dir/two.md", "2\n", { mode: 0o640 }),
  directory("dir/sub/", { mode: 0o700 }),
  file("dir/sub/three", "3\n"),
  directory("dir/empty/"),
  directory("other/"),
  file("other/one", "other\n"),
  link("link", "a.txt"),
  link("dirlink", "dir"),
  link("dangling", "nowhere"),
  directory("links/"),
  link("links/abs", "/etc/passwd"),
  link("links/rel", "../a.txt"),
  directory("hard/"),
  file("hard/x", "hard\n"),
  { name: "hard/y", type: "1", link: "hard/x", mtime: CONTEXT_TIME },
];

export const CASES: readonly DockerfileCase[] = [
  // COPY: files and where they go
  { name: "copy a file to a file", text: "COPY a.txt /x" },
  { name: "copy a file into a directory that is there", text: "COPY a.txt /tmp" },
  { name: "copy a file into a directory with a slash", text: "COPY a.txt /new/" },
  { name: "copy a file below missing parents", text: "COPY a.txt /p/q/r/x" },
  { name: "copy over a file", text: "COPY a.txt /etc/passwd" },
  { name: "copy to the root", text: "COPY a.txt /" },
  { name: "copy to . is the working directory", text: "WORKDIR /w\nCOPY a.txt ." },
  { name: "copy to ./", text: "WORKDIR /w\nCOPY a.txt ./" },
  { name: "copy to a relative name", text: "WORKDIR /w\nCOPY a.txt x" },
  { name: "copy to a relative directory", text: "WORKDIR /w\nCOPY a.txt sub/" },
  { name: "copy to .. of the working directory", text: "WORKDIR /w/v\nCOPY a.txt ../x" },
  { name: "relative without a working directory", text: "COPY a.txt x" },
  { name: "several files", text: "COPY a.txt b.txt /d/" },
  {
    name: "several files without a slash are refused",
    text: "COPY a.txt b.txt /d",
    fails: /the destination must be a directory and end with a \//,
  },
  {
    name: "several files into a directory that is there need the slash too",
    text: "COPY a.txt b.txt /tmp",
    fails: /must be a directory and end with a \//,
  },
  { name: "files keep their modes", text: "COPY exe secret /d/" },
  { name: "files lose their owners", text: "COPY owned /x" },
  { name: "an empty file", text: "COPY empty /x" },
  { name: "a name with a blank, in JSON", text: 'COPY ["with space", "/to there/"]' },
  {
    name: "a missing file",
    text: "COPY nofile /x",
    fails: /file not found in build context or excluded by .dockerignore: stat nofile/,
  },
  { name: "a source with a leading slash", text: "COPY /a.txt /x" },
  { name: "a source with ./", text: "COPY ./a.txt /x" },
  {
    name: "a source that climbs stays in the context",
    text: "COPY ../a.txt /x",
    differs: "the classic builder refuses it; BuildKit stops at the root of the context",
    tree: { x: "file 644 0:0 a\n" },
  },
  { name: "a source through a directory and back", text: "COPY dir/../a.txt /x" },
  { name: "the same file twice", text: "COPY a.txt /x\nCOPY b.txt /x" },
  // COPY: directories
  { name: "a directory's contents", text: "COPY dir /d" },
  { name: "a directory's contents with slashes", text: "COPY dir/ /d/" },
  { name: "a directory's contents into one that is there", text: "COPY other /d\nCOPY dir /d" },
  {
    name: "a directory into /tmp, which keeps what it is",
    text: "COPY dir /tmp",
    differs: "the classic builder gives /tmp the mode of dir",
    tree: { tmp: "directory 1777 0:0", "tmp/sub": "directory 700 0:0" },
  },
  { name: "the whole context", text: "COPY . /all" },
  { name: "the whole context as /", text: "COPY / /all" },
  { name: "two directories merge", text: "COPY dir other /d/" },
  { name: "a directory and a file", text: "COPY dir a.txt /d/" },
  { name: "an empty directory", text: "COPY dir/empty /e" },
  { name: "a subdirectory", text: "COPY dir/sub /s" },
  {
    name: "a directory over a file is refused",
    text: "COPY a.txt /x\nCOPY dir /x",
    fails: /cannot copy to non-directory: \/x/,
  },
  { name: "a directory with its mode", text: "COPY dir /d" },
  {
    name: "nested directories keep their modes",
    text: "RUN mkdir -p /d/sub && chmod 777 /d/sub\nCOPY dir /d",
  },
  // COPY: wildcards
  { name: "a star", text: "COPY *.txt /d/" },
  { name: "a star that fits one", text: "COPY *.md /d/" },
  { name: "a star that fits one, to a file", text: "COPY c.* /x" },
  { name: "a question mark", text: "COPY ?.txt /d/" },
  { name: "a class", text: "COPY [ab].txt /d/" },
  { name: "a negated class", text: "COPY [^b].txt /d/" },
  {
    name: "an escape is the Dockerfile's before it is the pattern's",
    text: "COPY \\[weird] /d/",
    fails: /no source files were specified/,
  },
  { name: "a bracket in a class", text: "COPY [[]weird] /d/" },
  { name: "a wildcard in a directory", text: "COPY dir/*.md /d/" },
  {
    name: "a wildcard for a directory",
    text: "COPY d*/one /d/",
    differs: "the classic builder walks the context without following links; dirlink is one",
    tree: { "d/one": "file 644 0:0 1\n" },
  },
  { name: "a wildcard that fits directories", text: "COPY o* /d/" },
  {
    name: "a wildcard that fits nothing",
    text: "COPY x*y /d/",
    fails: /no source files were specified|file not found/,
  },
  { name: "a wildcard that fits nothing beside a file", text: "COPY a.txt x*y /d/" },
  // COPY: links
  { name: "a link as a source is followed", text: "COPY link /x" },
  {
    name: "a link to a directory as a source",
    text: "COPY dirlink /d",
    differs: "the classic builder copies the link's own name",
    tree: { "d/one": "file 644 0:0 1\n" },
  },
  { name: "links within a directory stay links", text: "COPY links /l" },
  { name: "hard links stay hard links", text: "COPY hard /h" },
  {
    name: "a destination that is a link to a directory",
    text: "RUN mkdir /real && ln -s real /alias\nCOPY a.txt /alias/",
  },
  {
    name: "a destination below a link to a directory",
    text: "RUN mkdir /real && ln -s /real /alias\nCOPY a.txt /alias/deep/x",
  },
  {
    name: "a directory into a link to a directory",
    text: "RUN mkdir /real && ln -s real /alias\nCOPY dir /alias",
    differs: "the classic builder replaces the link",
    tree: { alias: "symlink 777 0:0 real", "real/one": "file 644 0:0 1\n" },
  },
  {
    name: "a destination that is a link to a file",
    text: "RUN echo old > /old && ln -s old /alias\nCOPY a.txt /alias",
    differs: "the classic builder replaces the link",
    tree: { alias: "symlink 777 0:0 old", old: "file 644 0:0 a\n" },
  },
  {
    name: "an absolute link stays within the root",
    text: "RUN ln -s /../../tmp/deep /alias\nCOPY a.txt /alias/",
  },
  { name: "a link into nothing gets its directory", text: "RUN ln -s /nowhere /alias\nCOPY a.txt /alias/x" },
  // COPY --chown
  { name: "chown by number", text: "COPY --chown=3:4 a.txt /x" },
  { name: "chown by a lone number", text: "COPY --chown=3 a.txt /x" },
  { name: "chown by name", text: "COPY --chown=guest:staff a.txt /x" },
  { name: "chown by a lone name", text: "COPY --chown=guest a.txt /x" },
  { name: "chown by name and number", text: "COPY --chown=guest:77 a.txt /x" },
  { name: "chown of directories that are made", text: "COPY --chown=3:4 a.txt /new/deep/x" },
  { name: "chown of a tree", text: "COPY --chown=guest:guest dir /d" },
  {
    name: "chown by a name nobody has",
    text: "COPY --chown=nobody-here a.txt /x",
    fails: /can't find uid for user nobody-here/,
  },
  {
    name: "chown by a name made in the build",
    text: "RUN echo me:x:42:43:me:/:/bin/sh >> /etc/passwd && echo me:x:43: >> /etc/group\nCOPY --chown=me:me a.txt /x",
  },
  {
    name: "chown by a name from a copied passwd",
    text: "COPY passwd /etc/passwd\nCOPY --chown=new:9 a.txt /x",
    context: [file("passwd", "root:x:0:0:root:/root:/bin/sh\nnew:x:55:56::/:/bin/sh\n")],
  },
  { name: "chown by a variable", text: "ARG who=guest\nCOPY --chown=${who}:staff a.txt /x" },
  // COPY --from
  { name: "from a stage by name", text: "FROM base AS one\nCOPY a.txt /x\nFROM base\nCOPY --from=one /x /y" },
  { name: "from a stage by number", text: "FROM base\nCOPY a.txt /x\nFROM base\nCOPY --from=0 /x /y" },
  {
    name: "from a stage, relative",
    text: "FROM base AS one\nCOPY dir /d\nFROM base\nCOPY --from=one d/sub /s",
  },
  {
    name: "from a stage keeps owners",
    text: "FROM base AS one\nCOPY --chown=5:6 a.txt /x\nFROM base\nCOPY --from=one /x /y",
  },
  {
    name: "from a stage with chown",
    text: "FROM base AS one\nCOPY --chown=5:6 a.txt /x\nFROM base\nCOPY --from=one --chown=1:2 /x /y",
  },
  {
    name: "from a stage, a wildcard",
    text: "FROM base AS one\nCOPY dir /d\nFROM base\nCOPY --from=one /d/t* /e/",
  },
  {
    name: "from a stage, through its links",
    text: "FROM base AS one\nRUN mkdir /real && echo r > /real/f && ln -s real /alias\nFROM base\nCOPY --from=one /alias/f /f",
  },
  {
    name: "from a stage, what RUN wrote",
    text: "FROM base AS one\nRUN echo made > /made && chmod 600 /made\nFROM base\nCOPY --from=one /made /m/",
  },
  { name: "from an image", text: "FROM base\nCOPY --from=base /etc/group /g" },
  {
    name: "from a stage that is not there",
    text: "FROM base\nCOPY --from=9 /x /y",
    fails: /invalid from flag value 9|stage 9/,
  },
  {
    name: "a stage on a stage",
    text: "FROM base AS one\nENV A=1\nCOPY a.txt /x\nFROM one\nENV B=2\nCOPY b.txt /y",
  },
  {
    name: "stages nobody needs are not built",
    text: "FROM base AS broken\nRUN false\nFROM base\nCOPY a.txt /x",
    differs: "the classic builder builds them all",
    tree: { x: "file 644 0:0 a\n" },
  },
  {
    name: "a target",
    text: "FROM base AS one\nCOPY a.txt /x\nFROM one AS two\nRUN false",
    query: { target: "one" },
  },
  {
    name: "a target by another case",
    text: "FROM base AS One\nCOPY a.txt /x\nFROM base\nRUN false",
    query: { target: "one" },
  },
  {
    name: "a target that is not there",
    text: "FROM base AS one",
    query: { target: "two" },
    fails: /failed to reach build target two in Dockerfile/,
  },
  // FROM and ARG
  {
    name: "from scratch",
    text: "FROM scratch\nCOPY a.txt /x",
    differs: "BuildKit gives an image from nothing a PATH and a working directory",
    tree: { x: "file 644 0:0 a\n", bin: null },
    config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], WorkingDir: "/" },
  },
  { name: "an argument before FROM", text: "ARG B=base\nFROM $B\nCOPY a.txt /x" },
  { name: "an argument before FROM is not the stage's", text: "ARG V=1\nFROM base\nENV W=x${V}y" },
  { name: "an argument before FROM, declared again", text: "ARG V=1\nFROM base\nARG V\nENV W=x${V}y" },
  { name: "an argument before FROM, given", text: "ARG V=1\nFROM base\nARG V\nENV W=$V", args: { V: "2" } },
  {
    name: "an argument before FROM with a default of its own",
    text: "ARG V=1\nFROM base\nARG V=3\nENV W=$V",
  },
  { name: "arguments before FROM know each other", text: "ARG A=ba\nARG B=${A}se\nFROM $B\nENV X=1" },
  { name: "a given argument", text: "ARG V\nENV W=$V", args: { V: "given" } },
  { name: "an argument without a value", text: "ARG V\nENV W=x$V" },
  { name: "an argument's default", text: "ARG V=d\nENV W=$V" },
  { name: "ENV hides ARG", text: "ENV V=env\nARG V=arg\nENV W=$V" },
  { name: "an argument is in the environment of RUN", text: "ARG V=abc\nRUN echo $V > /v" },
  { name: "an argument ends with its stage", text: "FROM base AS one\nARG V=1\nFROM one\nENV W=x${V}" },
  { name: "an empty argument", text: "ARG V=\nENV W=x${V:-none}" },
  { name: "a blank base", text: "FROM $NOPE\nENV A=1", fails: /base name \(\$NOPE\) should not be blank/ },
  // ENV and expansion
  { name: "env forms", text: "ENV A=1 B=\"two words\" C=a\\ b D='$A'\nENV E the rest of it" },
  { name: "env is from before the line", text: "ENV A=1\nENV A=2 B=$A" },
  { name: "env replaces in place", text: "ENV A=1\nENV B=2\nENV A=3" },
  { name: "env with defaults", text: "ENV A=1\nENV B=${A:-x} C=${N:-x} D=${A:+y} E=${N:+y}" },
  { name: "env with an escaped dollar", text: "ENV A=\\$x B=\\\\$x" },
  { name: "env with an empty value", text: "ENV A= B=" },
  { name: "env without a value is refused", text: "ENV A", fails: /ENV must have two arguments/ },
  { name: "PATH of the base is extended", text: "ENV PATH=/mine:$PATH" },
  {
    name: "expansion everywhere",
    text: "ENV D=/dd F=a.txt P=81 U=guest S=SIGINT V=/vol\nWORKDIR $D\nCOPY $F ${D}/x\nEXPOSE $P\nUSER $U\nSTOPSIGNAL $S\nVOLUME $V\nLABEL l=$P",
  },
  { name: "no expansion in commands", text: 'ENV A=1\nCMD echo $A\nENTRYPOINT ["$A"]' },
  // settings
  { name: "cmd in shell form", text: "CMD echo hi" },
  { name: "cmd in exec form", text: 'CMD ["echo", "hi"]' },
  { name: "the last cmd counts", text: "CMD a\nCMD b" },
  { name: "entrypoint takes the base's cmd away", text: 'ENTRYPOINT ["/x"]' },
  { name: "entrypoint leaves one's own cmd", text: 'CMD ["y"]\nENTRYPOINT ["/x"]' },
  { name: "entrypoint in shell form", text: "ENTRYPOINT exec top" },
  { name: "shell", text: 'SHELL ["/bin/busybox", "sh", "-c"]\nCMD hi\nRUN echo x > /x' },
  { name: "labels", text: 'LABEL a=b "c d"="e f"\nLABEL x.y=z a=c' },
  {
    name: "labels given with the build",
    text: "LABEL a=b",
    query: { labels: JSON.stringify({ a: "c", d: "e" }) },
  },
  { name: "maintainer", text: "MAINTAINER Me <me@example.org>" },
  { name: "expose", text: "EXPOSE 80 53/udp 8000-8002\nEXPOSE 80/TCP" },
  { name: "a port that is none", text: "EXPOSE 80x", fails: /80x/ },
  { name: "user", text: "USER guest\nRUN id -u > /tmp/me" },
  { name: "user by number", text: "USER 5:6\nRUN id -g > /tmp/me" },
  { name: "workdir is made", text: "WORKDIR /a/b" },
  { name: "workdir is relative to the last", text: "WORKDIR /a\nWORKDIR b\nWORKDIR ../c" },
  { name: "workdir through a link", text: "RUN ln -s /tmp /l\nWORKDIR /l/x" },
  { name: "workdir as user belongs to root", text: "USER guest\nWORKDIR /u" },
  { name: "workdir with a slash at the end", text: "WORKDIR /w/" },
  { name: "volume", text: 'VOLUME /v\nVOLUME ["/x y", "/z"]' },
  {
    name: "what is written below a volume stays",
    text: "FROM base AS one\nVOLUME /v\nRUN mkdir -p /v && echo x > /v/x\nFROM base\nCOPY --from=one /v /v",
    differs: "the classic builder throws it away; BuildKit keeps it",
    tree: { "v/x": "file 644 0:0 x\n" },
  },
  { name: "stopsignal", text: "STOPSIGNAL SIGKILL" },
  { name: "a stopsignal that is none", text: "STOPSIGNAL x/y", fails: /x\/y/ },
  { name: "healthcheck", text: "HEALTHCHECK --interval=5s --timeout=3s --retries=2 CMD true" },
  { name: "healthcheck in exec form", text: 'HEALTHCHECK --start-period=1m30s CMD ["true"]' },
  { name: "healthcheck none", text: "HEALTHCHECK NONE" },
  { name: "onbuild is kept", text: "ONBUILD RUN x\nONBUILD COPY . /y" },
  {
    name: "onbuild runs in the next stage",
    text: "FROM base AS one\nONBUILD COPY a.txt /on\nONBUILD ENV ON=1\nFROM one\nENV AFTER=$ON",
  },
  // RUN
  { name: "run in shell form", text: "RUN echo hi > /hi" },
  { name: "run in exec form", text: 'RUN ["touch", "/x"]' },
  { name: "run deletes", text: "RUN rm /etc/group" },
  { name: "run deletes a copied file", text: "COPY dir /d\nRUN rm -r /d/sub" },
  { name: "run replaces a directory by a file", text: "COPY dir /d\nRUN rm -r /d && echo x > /d" },
  { name: "run changes modes", text: "COPY dir /d\nRUN chmod 4711 /d/one && chmod 777 /d" },
  { name: "run makes links", text: "RUN ln -s /etc/passwd /s && touch /f && ln /f /g" },
  { name: "run sees what was copied", text: "COPY exe /bin/exe\nRUN exe > /out" },
  { name: "run that changes nothing", text: "RUN true" },
  { name: "run in the working directory", text: "WORKDIR /w\nRUN pwd > here" },
  {
    name: "run fails",
    text: "RUN exit 3",
    fails: /The command '\/bin\/sh -c exit 3' returned a non-zero code: 3/,
  },
  {
    name: "run over several lines",
    text: "RUN echo a > /x && \\\n    # no\n    echo b >> /x && \\\n\n    echo c >> /x",
  },
  { name: "runs build on each other", text: "RUN echo 1 > /x\nRUN echo 2 >> /x\nRUN echo 3 >> /x" },
  { name: "a file made anew in another step", text: "RUN echo 1 > /x\nRUN rm /x\nRUN echo 2 > /x" },
  { name: "an opaque directory", text: "COPY dir /d\nRUN rm -r /d && mkdir /d && echo n > /d/n" },
  // the language
  { name: "Windows line ends", text: "COPY a.txt /x\r\nRUN echo a \\\r\n  > /y\r\nENV A=1\r\n" },
  {
    name: "another escape",
    text: "# escape=`\nFROM base\nRUN echo a `\n > /x\nCOPY dir\\ /y\\",
    fails: /dir\\?\\ ?|not found/,
  },
  { name: "lower case", text: 'copy a.txt /x\nenv A=1\ncmd ["x"]' },
  { name: "an unknown instruction", text: "CPOY a b", fails: /unknown instruction: CPOY/ },
  { name: "an unknown flag", text: "COPY --nope a.txt /x", fails: /[Uu]nknown flag: --?nope/ },
  { name: "a copy without a destination", text: "COPY a.txt", fails: /COPY requires at least two arguments/ },
  { name: "comments and blanks", text: "# one\n\n  # two\n   ENV A=1\n#three\nENV B=2" },
  // .dockerignore, applied to what was sent
  {
    name: "the ignore file itself can be copied",
    text: "COPY .dockerignore /x",
    context: [file(".dockerignore", "nothing\n")],
  },
  {
    name: "an ignored Dockerfile",
    text: "COPY . /all",
    context: [file(".dockerignore", "Dockerfile\n.dockerignore\n")],
  },
  // ADD
  { name: "add a file", text: "ADD a.txt /x" },
  { name: "add a directory", text: "ADD dir /d" },
  { name: "add with chown", text: "ADD --chown=3:4 a.txt /new/x" },
  { name: "add a wildcard", text: "ADD *.txt /d/" },
  { name: "an archive is not unpacked by COPY", text: "COPY archive.tar /x" },
  {
    name: "a file that is only called an archive",
    text: "ADD fake.tar.gz /d/",
    context: [file("fake.tar.gz", "not an archive at all")],
  },
];
