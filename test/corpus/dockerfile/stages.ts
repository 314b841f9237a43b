// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles are what is meant
import { BY_CLIENTS, type DockerfileCase, file } from "./case.ts";

export const STAGE_CASES: readonly DockerfileCase[] = [
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
    differs: { classic: "builds them all" },
    tree: { x: "file 644 0:0 a\n" },
  },
  {
    name: "a target",
    text: "FROM base AS one\nCOPY a.txt /x\nFROM one AS two\nRUN false",
    target: "one",
  },
  {
    name: "a target by another case",
    text: "FROM base AS One\nCOPY a.txt /x\nFROM base\nRUN false",
    target: "one",
    differs: { buildah: "tells upper from lower case" },
  },
  {
    name: "a target that is not there",
    text: "FROM base AS one",
    target: "two",
    fails: /failed to reach build target two in Dockerfile/,
  },
  // FROM and ARG
  {
    name: "from scratch",
    text: "FROM scratch\nCOPY a.txt /x",
    tree: { x: "file 644 0:0 a\n", bin: null },
    config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], WorkingDir: "/" },
    differs: {
      classic: "BuildKit gives an image from nothing a PATH and a working directory",
      buildah: "gives an image from nothing no working directory",
    },
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
  {
    name: "ARG after ENV counts in the environment",
    text: "ENV V=env\nARG V=arg\nENV W=$V",
    differs: { classic: "lets ENV win wherever it stands", buildah: "lets ENV win wherever it stands" },
  },
  { name: "an argument is in the environment of RUN", text: "ARG V=abc\nRUN echo $V > /v" },
  {
    name: "an argument goes on in a stage that begins with its stage",
    text: "FROM base AS one\nARG V=1\nFROM one\nENV W=x${V}",
    differs: { classic: "forgets it", buildah: "forgets it" },
  },
  { name: "an empty argument", text: "ARG V=\nENV W=x${V:-none}" },
  { name: "a blank base", text: "FROM $NOPE\nENV A=1", fails: /base name \(\$NOPE\) should not be blank/ },
  {
    name: "ARG after ENV counts",
    text: "ENV V=env\nARG V=arg\nRUN echo $V > /v",
    differs: { classic: "lets ENV win wherever it stands", buildah: "lets ENV win wherever it stands" },
  },
  { name: "ENV after ARG counts", text: "ARG V=arg\nENV V=env\nRUN echo $V > /v\nENV W=$V" },
  {
    name: "ENV after a given ARG counts",
    text: "ARG V=arg\nENV V=env\nRUN echo $V > /v",
    args: { V: "given" },
  },
  {
    name: "a given ARG after ENV counts",
    text: "ENV V=env\nARG V\nENV W=$V",
    args: { V: "given" },
    differs: { classic: "lets ENV win wherever it stands", buildah: "lets ENV win wherever it stands" },
  },
  { name: "an ARG without a value leaves ENV", text: "ENV V=env\nARG V\nRUN echo $V > /v" },
  { name: "ENV from ARG of the same name", text: "ARG V=1\nENV V=${V:-none}\nRUN echo $V > /v" },
  {
    name: "an argument of a stage is not another's",
    text: "FROM base AS one\nARG V=1\nFROM base\nENV W=x$V",
  },
  {
    name: "an argument goes on through two stages",
    text: "FROM base AS one\nARG V=1\nFROM one AS two\nFROM two\nARG V\nENV W=x$V",
    differs: { classic: "forgets it", buildah: "forgets it" },
  },
  { name: "several arguments in one line", text: "ARG A=1 B=2 C\nENV W=$A$B${C:-3}" },
  { name: "an argument that uses another", text: "ARG A=1\nARG B=${A}2\nENV W=$B" },
  { name: "an argument with quotes", text: "ARG A='one two'\nARG B=\"x $A\"\nENV W=$B" },
  { name: "an argument declared twice", text: "ARG A=1\nARG A=2\nENV W=$A" },
  { name: "an argument given and declared twice", text: "ARG A=1\nARG A=2\nENV W=$A", args: { A: "3" } },
  { name: "an argument given as nothing", text: "ARG A=1\nENV W=x${A}y", args: { A: "" } },
  { name: "an argument nobody declares", text: "ENV W=x$A", args: { A: "1" } },
  { name: "ARG without a name", text: "ARG", fails: /ARG requires at least one argument/ },
  {
    name: "ARG with a blank name",
    text: "ARG =x",
    fails: /ARG names can not be blank/,
    differs: { buildah: "takes it" },
  },
  { name: "platform arguments need ARG", text: "ENV W=x$TARGETARCH" },
  {
    name: "platform arguments in a stage",
    text: "ARG TARGETOS TARGETARCH\nENV W=$TARGETOS",
    differs: { classic: "has none" },
  },
  {
    name: "platform arguments before FROM",
    text: "ARG TARGETOS\nARG B=${TARGETOS:+base}\nFROM $B\nENV X=1",
    differs: { classic: "has none" },
  },
  {
    name: "a platform argument given",
    text: "ARG TARGETARCH\nENV W=$TARGETARCH",
    args: { TARGETARCH: "mine" },
  },
  { name: "a platform argument with a default", text: "ARG TARGETVARIANT=v9\nENV W=$TARGETVARIANT" },
  {
    name: "a proxy argument is in the environment of RUN",
    text: "RUN echo $http_proxy > /p",
    args: { http_proxy: "http://p.example" },
  },
  {
    name: "a proxy argument is not expanded",
    text: "ENV W=x$http_proxy",
    args: { http_proxy: "http://p.example" },
    differs: { classic: "expands it", buildah: "expands it" },
  },
  { name: "FROM with a digest of nothing", text: `FROM base@sha256:${"0".repeat(64)}\nENV A=1`, fails: /./ },
  {
    name: "FROM of four words",
    text: "FROM base AS one two",
    fails: /FROM requires either one or three arguments/,
  },
  {
    name: "FROM without AS",
    text: "FROM base one two",
    fails: /FROM requires either one or three arguments/,
  },
  { name: "FROM in small letters", text: "from base as one\nFROM one\nENV A=1" },
  {
    name: "a stage's name with other letters",
    text: "FROM base AS One_2.x-y\nCOPY a.txt /x\nFROM base\nCOPY --from=one_2.x-y /x /x",
    differs: { buildah: "tells upper from lower case" },
  },
  {
    name: "a stage's name that is a number",
    text: "FROM base AS 1\nENV A=1",
    fails: /invalid name for build stage/,
    differs: { buildah: "takes it" },
  },
  { name: "a stage named as its base", text: "FROM base AS base\nCOPY a.txt /x\nFROM base\nENV A=1" },
  {
    name: "two stages of a name",
    text: "FROM base AS one\nCOPY a.txt /x\nFROM base AS one\nCOPY b.txt /x\nFROM base\nCOPY --from=one /x /y",
    differs: { classic: "refuses them" },
  },
  {
    name: "a name in other letters after --from",
    text: "FROM base AS one\nCOPY a.txt /x\nFROM base\nCOPY --from=ONE /x /y",
    differs: { buildah: "tells upper from lower case" },
  },
  {
    name: "a name in other letters after FROM",
    text: "FROM base AS one\nCOPY a.txt /x\nFROM ONE\nENV A=1",
    differs: {
      buildkit: "takes it for an image, which no image can be called",
      buildah: "takes it for an image",
    },
    tree: { x: "file 644 0:0 a\n" },
  },
  {
    name: "--from itself",
    text: "FROM base\nCOPY --from=0 /etc/passwd /x",
    fails: /circular|invalid from flag value|refers to current build stage/,
  },
  {
    name: "--from itself by name",
    text: "FROM base AS one\nCOPY --from=one /etc/passwd /x",
    fails: /circular|invalid from flag value|pull access|current build stage/,
  },
  {
    name: "--from a later stage",
    text: "FROM base AS one\nCOPY --from=two /etc/passwd /x\nFROM base AS two\nFROM one\nENV A=1",
    fails: /which comes after it/,
  },
  {
    name: "--from a later stage by number",
    fails: /which comes after it/,
    text: "FROM base\nCOPY --from=1 /etc/passwd /x\nFROM base\nFROM base\nCOPY --from=0 /x /x",
    // buildah builds them side by side: which of them is first is its luck.
    judges: ["buildkit", "classic"],
  },
  {
    name: "stages that need each other",
    text: "FROM base AS one\nCOPY --from=two / /\nFROM base AS two\nCOPY --from=one / /",
    fails: /circular dependency|not found|invalid from/,
  },
  {
    name: "a target by number",
    text: "FROM base\nCOPY a.txt /x\nFROM base\nRUN false",
    target: "0",
    differs: { buildkit: "knows names only", classic: "knows names only" },
    tree: { x: "file 644 0:0 a\n" },
  },
  {
    name: "--from with a variable",
    text: "ARG S=one\nFROM base AS one\nCOPY a.txt /x\nFROM base\nARG S\nCOPY --from=$S /x /y",
    fails: /./,
  },
  { name: "--from nothing", text: "COPY --from= a.txt /x", differs: { buildah: "takes it for a name" } },
  {
    name: "from a stage, its root",
    text: "FROM scratch AS one\nCOPY dir /d\nFROM base\nCOPY --from=one / /all",
  },
  {
    name: "from a stage, a missing file",
    text: "FROM base AS one\nFROM base\nCOPY --from=one /nope /x",
    fails: /file does not exist/,
  },
  {
    name: "from a stage, a pattern that fits nothing",
    text: "FROM base AS one\nFROM base\nCOPY --from=one /no*pe /x/",
    tree: { x: null },
    differs: {
      classic: "a pattern that fits nothing is refused",
      buildah: "a pattern that fits nothing is refused",
    },
  },
  {
    name: "from a stage, hard links and special modes",
    text: "FROM base AS one\nRUN mkdir /d && echo x > /d/a && ln /d/a /d/b && chmod 6711 /d/a && chmod 1777 /d\nFROM base\nCOPY --from=one /d /e",
  },
  {
    name: "from a stage, what was deleted",
    text: "FROM base AS one\nCOPY dir /d\nRUN rm /d/one && echo new > /d/two.md\nFROM base\nCOPY --from=one /d /e",
  },
  {
    name: "from a stage, a link out of it",
    text: "FROM base AS one\nRUN ln -s ../../../../etc/passwd /l\nFROM base\nCOPY --from=one /l /x",
  },
  {
    name: "from a stage, a directory of links",
    text: "FROM base AS one\nRUN mkdir /d && ln -s /etc/passwd /d/abs && ln -s x /d/rel\nFROM base\nCOPY --from=one /d /e",
  },
  {
    name: "from a stage with a working directory",
    text: "FROM base AS one\nWORKDIR /w\nCOPY a.txt x\nFROM base\nCOPY --from=one w/x /y",
  },
  {
    name: "settings go on through stages",
    text: 'FROM base AS one\nENV A=1\nWORKDIR /w\nUSER guest\nLABEL l=1\nEXPOSE 80\nVOLUME /v\nCMD ["c"]\nENTRYPOINT ["e"]\nHEALTHCHECK CMD x\nSTOPSIGNAL 9\nSHELL ["/bin/sh", "-ec"]\nFROM one\nRUN id -u > /tmp/u',
  },
  {
    name: "labels given with several stages",
    text: "FROM base AS one\nLABEL a=1\nFROM one\nLABEL b=2",
    labels: { c: "3" },
  },
  {
    name: "onbuild with files of a stage",
    text: "FROM base AS files\nCOPY a.txt /x\nFROM base AS one\nONBUILD COPY --from=files /x /on\nFROM one\nENV A=1",
    differs: { buildah: "does not find the stage" },
  },
  {
    name: "onbuild with files of an image",
    text: "FROM base AS one\nONBUILD COPY --from=base /etc/group /on\nFROM one\nENV A=1",
  },
  {
    name: "onbuild with an argument",
    text: "FROM base AS one\nONBUILD ARG V=1\nONBUILD RUN echo $V > /v\nFROM one\nENV W=$V",
  },
  {
    name: "onbuild is not handed on",
    text: "FROM base AS one\nONBUILD ENV A=1\nFROM one AS two\nFROM two\nENV B=2",
  },
  { name: "onbuild of onbuild", text: "ONBUILD ONBUILD RUN x", fails: /isn't allowed/ },
  { name: "onbuild of FROM", text: "ONBUILD FROM base", fails: /isn't allowed as an ONBUILD trigger/ },
  {
    name: "a context of another name",
    text: "FROM base\nCOPY --from=more f /x",
    contexts: { more: [file("f", "more\n")] },
    judges: BY_CLIENTS,
  },
  {
    name: "a context in place of a stage",
    text: "FROM base AS one\nCOPY a.txt /f\nFROM base\nCOPY --from=one f /x",
    contexts: { one: [file("f", "more\n")] },
    judges: BY_CLIENTS,
  },
  {
    name: "a context in place of an image",
    text: "FROM other\nENV A=1",
    contexts: { other: "docker-image://base" },
    judges: BY_CLIENTS,
  },
  {
    name: "a context that RUN mounts",
    text: "FROM base\nRUN --mount=from=more,target=/m cp /m/f /x",
    contexts: { more: [file("f", "more\n")] },
    judges: BY_CLIENTS,
  },
  {
    name: "a context with ignored files",
    text: "FROM base\nCOPY --from=more . /x/",
    contexts: { more: [file("f", "f"), file("g", "g"), file(".dockerignore", "g\n")] },
    judges: BY_CLIENTS,
    differs: { buildah: "reads the ignore file of the main context alone" },
  },
];
