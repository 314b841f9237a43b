import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { isPlyError } from "../error.ts";
import { parseIgnoreFile } from "./ignore.ts";
import { parseDockerfile } from "./parse.ts";
import { expandWord } from "./word.ts";

/** What Dockerfiles are made of, and what breaks them. */
const PIECES = [
  ...[
    "FROM base",
    "FROM base AS one",
    "FROM --platform=$P x",
    "ARG A=1",
    "ENV A=1 B='x'",
    "ENV A b c",
    "RUN <<EOF",
    "RUN <<-'A' <<B",
  ],
  ...[
    "EOF",
    "A",
    "B",
    "\tEOF",
    "COPY <<EOF /x",
    "COPY --from=one a b",
    'COPY ["a", "b"]',
    "ADD --checksum=x a b",
    "CMD [",
    'CMD ["x"]',
  ],
  ...[
    "HEALTHCHECK --interval=1s CMD x",
    "ONBUILD RUN <<EOF",
    "ONBUILD ONBUILD",
    "EXPOSE 80-90/udp",
    "LABEL",
    'VOLUME ["/v"]',
    "SHELL []",
  ],
  ...[
    "RUN --mount=type=cache,target=/c x",
    'RUN --mount="a,b"',
    "# escape=`",
    "# syntax=x",
    "# check=skip=all",
    "#",
    "\\",
    "`",
    "\\\\",
  ],
  ...[
    "\n",
    "\r\n",
    "\r",
    " ",
    "\t",
    '"',
    "'",
    "$",
    "${",
    "}",
    "${A:-",
    "--",
    "=",
    "[",
    "]",
    "\uFEFF",
    "\0",
    "\uFFFF",
    "é",
    "💥",
    "<<",
    "<<<",
  ],
];
const soup = fc.array(fc.constantFrom(...PIECES), { maxLength: 40 });
const joined = fc
  .tuple(soup, fc.constantFrom("\n", " ", "", "\\\n", "\r\n"))
  .map(([pieces, glue]) => pieces.join(glue));
const bytes = fc.uint8Array({ maxLength: 400 }).map((raw) => Buffer.from(raw).toString("latin1"));

test("any text is a Dockerfile or an error with its place", () => {
  fc.assert(
    fc.property(fc.oneof(joined, bytes), (text) => {
      try {
        parseDockerfile(text);
      } catch (error) {
        assert(isPlyError(error, "invalid"), String(error));
        const isOfTheWhole = /cannot be empty|has no FROM/.test(error.message);
        assert(isOfTheWhole || Number(error.details["line"]) > 0, error.message);
      }
    }),
    { numRuns: 1500 },
  );
});

test("any word expands or is refused", () => {
  fc.assert(
    fc.property(fc.oneof(joined, bytes), fc.constantFrom("\\", "`"), (word, escapeToken) => {
      try {
        expandWord(word, { lookup: (name) => (name === "A" ? "value" : undefined), escapeToken });
      } catch (error) {
        assert(isPlyError(error, "invalid"), String(error));
      }
    }),
    { numRuns: 1500 },
  );
});

test("words without special characters stay what they are", () => {
  const plain = fc.stringMatching(/^[a-zA-Z0-9_./:@%+,=-]*$/);
  fc.assert(
    fc.property(plain, (word) =>
      assert.equal(expandWord(word, { lookup: () => undefined, escapeToken: "\\" }), word),
    ),
  );
});

test("modifiers come to the same as in a shell", () => {
  const value = fc.stringMatching(/^[ab./]{0,8}$/);
  const pattern = fc.stringMatching(/^[ab./*?]{0,4}$/);
  const modifiers = fc.constantFrom("#", "##", "%", "%%", ":-", ":+", "-", "+");
  const cases: [value: string, pattern: string, modifier: string][] = [];
  const keep = (...each: (typeof cases)[number]) => void cases.push(each);
  fc.assert(fc.property(value, pattern, modifiers, keep), { numRuns: 300 });
  const replaced = fc.stringMatching(/^[ab.*?]{1,4}\/X$/);
  const some = value.filter((text) => text !== "");
  fc.assert(fc.property(some, replaced, fc.constantFrom("/", "//"), keep), { numRuns: 300 });
  const script = cases
    .map(([v, p, modifier]) => `V='${v}'; printf '%s\\n' "\${V${modifier}${p}}"`)
    .join("\n");
  const { stdout } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  const expected = stdout.split("\n");
  for (const [n, [v, p, modifier]] of cases.entries()) {
    const word = `\${V${modifier}${p}}`;
    const lookup = (name: string) => (name === "V" ? v : undefined);
    assert.equal(
      expandWord(word, { lookup, escapeToken: "\\" }),
      expected[n],
      `${word} of ${JSON.stringify(v)}`,
    );
  }
});

test("any ignore file is read or refused, and tells of any path", () => {
  const line = fc.oneof(fc.string(), fc.stringMatching(/^!?[a-c*?/.[\]\\^-]{0,8}$/));
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 8 }),
      fc.stringMatching(/^[a-c]{1,3}(\/[a-c]{1,3}){0,3}$/),
      (lines, path) => {
        try {
          const ignore = parseIgnoreFile(lines.join("\n"));
          if (ignore.isIgnored(path)) ignore.mayKeepBelow(path);
        } catch (error) {
          assert(isPlyError(error, "invalid"), String(error));
        }
      },
    ),
    { numRuns: 1500 },
  );
});
