// biome-ignore-all lint/suspicious/noTemplateCurlyInString: shell words are what is tested here
import assert from "node:assert/strict";
import { test } from "node:test";
import { expandText, expandWord, expandWords } from "./word.ts";

const ENV: Readonly<Record<string, string>> = {
  A: "a",
  E: "",
  PATH: "/usr/bin:/bin",
  TWO: "one two",
  FILE: "archive.tar.gz",
  STAR: "a*b",
};
const lookup = (name: string) => (Object.hasOwn(ENV, name) ? ENV[name] : undefined);

const WORDS: readonly (readonly [word: string, value: string])[] = [
  ["plain", "plain"],
  ["$A", "a"],
  ["${A}b", "ab"],
  ["$A$A", "aa"],
  ["$NOPE.", "."],
  ["$", "$"],
  ["$.", "$."],
  ["a$", "a$"],
  ["\\$A", "$A"],
  ["\\\\$A", "\\a"],
  ["'$A'", "$A"],
  ['"$A"', "a"],
  ['"\\$A \\" \\x"', '$A " \\x'],
  ['"it\'s"', "it's"],
  ["'a\"b'", 'a"b'],
  ["a'b'\"c\"", "abc"],
  ["$1", ""],
  ["${NOPE:-x}", "x"],
  ["${NOPE-x}", "x"],
  ["${E:-x}", "x"],
  ["${E-x}", ""],
  ["${A:-x}", "a"],
  ["${A:+x}", "x"],
  ["${E:+x}", ""],
  ["${E+x}", "x"],
  ["${NOPE:+x}", ""],
  ["${NOPE:-${A}z}", "az"],
  ["${NOPE:-'q}'}", "q}"],
  ["${A:?no}", "a"],
  ["${FILE#*.}", "tar.gz"],
  ["${FILE##*.}", "gz"],
  ["${FILE%.*}", "archive.tar"],
  ["${FILE%%.*}", "archive"],
  ["${FILE#x}", "archive.tar.gz"],
  ["${FILE/./-}", "archive-tar.gz"],
  ["${FILE//./-}", "archive-tar-gz"],
  ["${FILE/a?c/X}", "Xhive.tar.gz"],
  ["${STAR/\\*/-}", "a-b"],
  ["${NOPE#x}", ""],
  ["${FILE//*/X}", "X"],
  ["${FILE//a*e/X}", "X.tar.gz"],
  ["${A//x/X}", "a"],
];
for (const [word, value] of WORDS)
  test(`${word} is ${JSON.stringify(value)}`, () =>
    assert.equal(expandWord(word, { lookup, escapeToken: "\\" }), value));

const WRONG: readonly (readonly [word: string, message: RegExp])[] = [
  ["${A", /missing '}'/],
  ["${}", /bad substitution/],
  ["${:x}", /bad substitution/],
  ["${A:x}", /unsupported modifier \(:x\) in substitution/],
  ["${A!x}", /unsupported modifier \(!\)/],
  ["${NOPE:?give it}", /NOPE: give it/],
  ["${E:?}", /E: is not allowed to be empty/],
  ["'a", /matching single-quote/],
  ['"a', /matching double-quote/],
];
for (const [word, message] of WRONG)
  test(`refuses ${word}`, () =>
    assert.throws(() => expandWord(word, { lookup, escapeToken: "\\" }), { message }));

test("words part at blanks of values too, unless quoted", () => {
  assert.deepEqual(expandWords("x$TWO '$TWO' \"$TWO\" ''", { lookup, escapeToken: "\\" }), [
    "xone",
    "two",
    "$TWO",
    "one two",
    "",
  ]);
});

test("in a text quotes are text, and the escape token mostly too", () => {
  const text = 'it\'s "$A" \\$A \\\\ \\n ${NOPE:-x}';
  assert.equal(expandText(text, { lookup, escapeToken: "\\" }), 'it\'s "a" $A \\ \\n x');
});

test("another escape token", () => {
  assert.equal(expandWord("`$A\\$A", { lookup, escapeToken: "`" }), "$A\\a");
});

test("unset variables can stay", () => {
  const options = { lookup, escapeToken: "\\", keepUnset: true } as const;
  assert.equal(expandWord("$NOPE ${NIL} ${NO#x} $A", options), "$NOPE ${NIL} ${NO#x} a");
});
