// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles are what is meant
import { gzipSync } from "node:zlib";
import { tarball } from "../../support/tarball.ts";
import { ARCHIVE, BY_BUILDKIT, type DockerfileCase, file, link } from "./case.ts";

/** sha256 of `fetched\n`. */
const FETCHED = "f6e379b0639054c51806fd5d67948cbcaebd354b0e91a7683932b043c5c3ba32";
const LINKS = tarball([
  file("f", "f"),
  { name: "hard", type: "1", link: "f" },
  link("soft", "f"),
  link("away", "/etc/passwd"),
]);

export const ADD_CASES: readonly DockerfileCase[] = [
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
  { name: "an archive is unpacked", text: "ADD archive.tar /d/" },
  { name: "an archive is unpacked without a slash", text: "ADD archive.tar /d" },
  {
    name: "an archive is unpacked into one that is there",
    text: "RUN mkdir -p /d/in && echo old > /d/in/f\nADD archive.tar /d",
  },
  {
    name: "an archive with an owner",
    text: "ADD --chown=5:6 archive.tar /d/",
    differs: { buildah: "keeps the archive's owners", classic: "keeps the archive's owners" },
  },
  {
    name: "an archive that is not to be unpacked",
    text: "ADD --unpack=false archive.tar /d/",
    judges: BY_BUILDKIT,
  },
  { name: "an archive by a pattern", text: "ADD archive.t* /d/" },
  { name: "an archive and a file", text: "ADD archive.tar a.txt /d/" },
  { name: "a gzip of an archive", text: "ADD z /d/", context: [file("z", gzipSync(ARCHIVE))] },
  { name: "an archive over a file", text: "RUN touch /d\nADD archive.tar /d", fails: /./ },
  { name: "an archive over a directory's file", text: "RUN mkdir /d && echo x > /d/in\nADD archive.tar /d" },
  { name: "an archive with links", text: "ADD links.tar /d/", context: [file("links.tar", LINKS)] },
  {
    name: "an archive through a link in the image",
    text: "RUN mkdir /real && ln -s /real /d\nADD archive.tar /d/",
  },
  {
    name: "an archive with ..",
    text: "ADD up.tar /d/",
    context: [file("up.tar", tarball([file("../out", "x"), file("in", "y")]))],
    fails: /./,
    differs: {
      buildah: "keeps the name within the directory",
      classic: "keeps the name within the directory",
    },
  },
  {
    name: "an archive with absolute names",
    text: "ADD abs.tar /d/",
    context: [file("abs.tar", tarball([file("/in", "y")]))],
  },
  {
    name: "an archive that writes through its own link",
    text: "ADD evil.tar /d/",
    context: [file("evil.tar", tarball([link("l", "/etc"), file("l/evil", "x")]))],
    differs: { buildah: "refuses it", classic: "refuses it" },
  },
  { name: "an empty archive", text: "ADD none.tar /d/", context: [file("none.tar", tarball([]))] },
  { name: "a gzip that is no archive", text: "ADD z.gz /d/", context: [file("z.gz", gzipSync("just text"))] },
  {
    name: "an archive that ends early",
    text: "ADD cut.tar /d/",
    context: [file("cut.tar", ARCHIVE.subarray(0, 700))],
    fails: /./,
  },
  {
    name: "an archive with a fifo and sparse modes",
    text: "ADD f.tar /d/",
    context: [
      file(
        "f.tar",
        tarball([{ name: "p", type: "6", mode: 0o640, mtime: 1 }, file("s", "x", { mode: 0o6755 })]),
      ),
    ],
  },
  { name: "a file by its address", text: "ADD {server}/file.txt /x" },
  { name: "a file by its address into a directory", text: "ADD {server}/file.txt /d/" },
  { name: "a file by its address with owner", text: "ADD --chown=3:4 {server}/file.txt /x" },
  {
    name: "a file by its address with a mode",
    text: "ADD --chmod=644 {server}/file.txt /x",
    judges: BY_BUILDKIT,
  },
  { name: "a file by its address with a query", text: "ADD {server}/file.txt?a=b /d/" },
  { name: "an archive by its address stays one", text: "ADD {server}/archive.tar.gz /d/" },
  {
    name: "an archive by its address is unpacked",
    text: "ADD --unpack=true {server}/archive.tar.gz /d/",
    judges: BY_BUILDKIT,
  },
  { name: "a file by its address that is not there", text: "ADD {server}/nope /x", fails: /404|not found/i },
  { name: "an address without a name", text: "ADD {server}/ /d/", fails: /./ },
  {
    name: "a file by its address with its digest",
    text: `ADD --checksum=sha256:${FETCHED} {server}/file.txt /x`,
    judges: BY_BUILDKIT,
  },
  {
    name: "a file by its address with another digest",
    text: `ADD --checksum=sha256:${"0".repeat(64)} {server}/file.txt /x`,
    fails: /digest mismatch|does not know|[Uu]nknown flag|checksum/,
  },
  {
    name: "a digest of a file of the context",
    text: `ADD --checksum=sha256:${FETCHED} a.txt /x`,
    fails: /./,
  },
  { name: "two files by address", text: "ADD {server}/file.txt {server}/archive.tar /d/" },
  { name: "a repository", text: "ADD {server}/repository.git /r", judges: BY_BUILDKIT },
  { name: "a repository's directory", text: "ADD {server}/repository.git#main:sub /r", judges: BY_BUILDKIT },
  { name: "a repository's tag", text: "ADD {server}/repository.git#v1 /r/", judges: BY_BUILDKIT },
  {
    name: "a repository with an owner",
    text: "ADD --chown=3:4 {server}/repository.git /r",
    judges: BY_BUILDKIT,
  },
  {
    name: "a repository's branch that is not there",
    text: "ADD {server}/repository.git#nope /r",
    fails: /./,
  },
  {
    name: "add several without a slash",
    text: "ADD a.txt b.txt /d",
    fails: /must be a directory/,
    differs: {
      buildkit: "against its documentation, the last file replaces the others",
      buildah: "takes the destination for a directory",
    },
  },
  {
    name: "add excludes",
    text: "ADD --exclude=*.md dir /d",
    judges: BY_BUILDKIT,
  },
  {
    name: "add with a link",
    text: "ADD --link a.txt /p/x",
    judges: BY_BUILDKIT,
  },
  { name: "add a missing file", text: "ADD nope /x", fails: /not found|no such file/i },
];
