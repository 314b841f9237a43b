import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { followGlob, type GlobPart } from "./glob.ts";
import { parseIgnoreFile } from "./ignore.ts";
import { compilePattern } from "./path-pattern.ts";
import { removePrefix, removeSuffix, replacePattern } from "./shell-pattern.ts";

const STARS = 500;
const LONG = "a".repeat(64 * 1024);
/** As long as a path can be. */
const PATH = "a".repeat(4096);

for (const stopsAtSlash of [false, true])
  test(`no pattern takes more steps than pattern × text; stars stop at slashes: ${stopsAtSlash}`, () => {
    let steps = 0;
    const fits = (code: number) => {
      steps++;
      return code === 0x61;
    };
    const starred: GlobPart[] = [
      { kind: "many", stopsAtSlash },
      { kind: "one", fits },
    ];
    const parts = Array.from({ length: STARS }, () => starred).flat();
    followGlob([...parts, { kind: "one", fits: () => false }], PATH, 0, () =>
      assert.fail("it matches nothing"),
    );
    assert(steps >= STARS && steps <= STARS * PATH.length, String(steps));
  });

test("hostile patterns come to their end", () => {
  const stars = "*a".repeat(STARS);
  assert.equal(compilePattern(`${stars}[b]*`).test(PATH), false);
  assert.equal(parseIgnoreFile(`${"**/*a".repeat(STARS)}[b]`).isIgnored(PATH.replaceAll("aa", "a/")), false);
  assert.equal(parseIgnoreFile(`!${"**/".repeat(STARS)}b`).mayKeepBelow(PATH), true);
  assert.equal(removePrefix(LONG, `${stars}b`, true), LONG);
  assert.equal(removeSuffix(LONG, `b${stars}`, true), LONG);
  assert.equal(replacePattern(LONG, `b${stars}`, "", true), LONG);
  assert.equal(replacePattern(LONG, "a", "b", true), LONG.replaceAll("a", "b"));
});

test("a path pattern matches what its regular expression does", () => {
  // What follows a star stands with it: stars that meet are read otherwise.
  const pieces = fc.constantFrom(
    ["**a", "(?:.*/)?a"],
    ["**/a", "(?:.*/)?a"],
    ["**/*b", "(?:.*/)?[^/]*b"],
    ["*a", "[^/]*a"],
    ["?", "[^/]"],
    ["[^a-c]", "[^/a-c]"],
    ["[b-]", "[b-]"],
    ["\\*", "\\*"],
    ...["a", "b", "/", "💥"].map((char) => [char, char]),
  );
  const path = fc.array(fc.constantFrom("a", "b", "-", "*", "/", "💥", "\n"), { maxLength: 9 });
  fc.assert(
    fc.property(fc.array(pieces, { minLength: 1, maxLength: 6 }), path, (pattern, chars) => {
      const text = chars.join("");
      const regex = new RegExp(`^${pattern.map(([, source]) => source).join("")}$`, "su");
      assert.equal(compilePattern(pattern.map(([piece]) => piece).join("")).test(text), regex.test(text));
    }),
    { numRuns: 2000 },
  );
});
