import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { parseTemplate, runTemplate, TemplateError } from "./index.ts";

const IMAGE = {
  Id: "sha256:abc",
  RepoTags: ["debian:12", "debian:latest"],
  Size: 123456789,
  Ratio: 0.5,
  Empty: "",
  None: null,
  Ready: true,
  Off: false,
  Zero: 0,
  NoTags: [],
  Config: { Labels: { team: "web", "a.b/c": "dotted" }, Cmd: ["sh", "-c"], Env: null, WorkingDir: "" },
  Nested: { List: [{ Name: "one" }, { Name: "two" }], Map: { z: 1, a: 2 } },
};

function run(template: string, data: unknown = IMAGE): string {
  return runTemplate(parseTemplate(template), data);
}

const good: readonly (readonly [template: string, text: string])[] = [
  // Text and fields
  ["", ""],
  ["plain } text { only", "plain } text { only"],
  ["{{.Id}}", "sha256:abc"],
  ["{{ .Id }}!", "sha256:abc!"],
  ["{{.Config.WorkingDir}}|", "|"],
  ["{{.Size}} {{.Ratio}} {{.Ready}}", "123456789 0.5 true"],
  ["{{.None}}", "<no value>"],
  ["{{.None.Deeper}}", "<no value>"],
  ["{{.RepoTags}}", "[debian:12 debian:latest]"],
  ["{{.Config.Labels}}", "map[a.b/c:dotted team:web]"],
  ["{{.Nested}}", "map[List:[map[Name:one] map[Name:two]] Map:map[a:2 z:1]]"],
  ["{{.Config}}", "map[Cmd:[sh -c] Env:<nil> Labels:map[a.b/c:dotted team:web] WorkingDir:]"],
  ["{{$.Id}} {{with .Config}}{{$.Id}} {{.Cmd}}{{end}}", "sha256:abc sha256:abc [sh -c]"],
  // Fields by the names Docker's Go structs have
  ["{{.ID}} {{.config.WORKINGDIR}}|", "sha256:abc |"],
  ["{{.Config.Labels.Team}}", "<no value>"],
  // Maps of the user's own keys
  ["{{.Config.Labels.team}}", "web"],
  ["{{.Config.Labels.absent}}", "<no value>"],
  ['{{index .Config.Labels "a.b/c"}}', "dotted"],
  ['{{index .Config.Labels "absent"}}|', "|"],
  ['{{index .Config.Env "x"}}|', "|"],
  // json
  ["{{json .RepoTags}}", '["debian:12","debian:latest"]'],
  ["{{json .None}}", "null"],
  ["{{json .Config.Labels}}", '{"team":"web","a.b/c":"dotted"}'],
  ["{{.Id | json}}", '"sha256:abc"'],
  ["{{json .Empty}}", '""'],
  // range
  ["{{range .RepoTags}}<{{.}}>{{end}}", "<debian:12><debian:latest>"],
  ["{{range $i, $t := .RepoTags}}{{$i}}={{$t}} {{end}}", "0=debian:12 1=debian:latest "],
  ["{{range $t := .RepoTags}}{{$t}} {{end}}", "debian:12 debian:latest "],
  ["{{range $k, $v := .Nested.Map}}{{$k}}:{{$v}},{{end}}", "a:2,z:1,"],
  ["{{range .NoTags}}x{{else}}none{{end}}", "none"],
  ["{{range .None}}x{{else}}none{{end}}", "none"],
  ["{{range .Nested.List}}{{.Name}} {{end}}", "one two "],
  ["{{range .RepoTags}}{{.}}{{break}}{{end}}", "debian:12"],
  ['{{range .RepoTags}}{{if eq . "debian:12"}}{{continue}}{{end}}{{.}}{{end}}', "debian:latest"],
  ["{{range $i, $t := .RepoTags}}{{if $i}}, {{end}}{{$t}}{{end}}", "debian:12, debian:latest"],
  // if, with
  ["{{if .Ready}}yes{{else}}no{{end}}", "yes"],
  ["{{if .Off}}yes{{else}}no{{end}}", "no"],
  ["{{if .Zero}}yes{{else}}no{{end}}", "no"],
  ["{{if .Empty}}a{{else if .RepoTags}}b{{else}}c{{end}}", "b"],
  ["{{if .NoTags}}a{{else if .Zero}}b{{else}}c{{end}}", "c"],
  ["{{if .Config.Labels}}labels{{end}}", "labels"],
  ["{{if not .Ready}}a{{end}}b", "b"],
  ["{{with .Config.Labels}}{{.team}}{{end}}", "web"],
  ["{{with .Empty}}x{{else}}empty{{end}}", "empty"],
  ["{{with $x := .Id}}{{$x}}{{end}}", "sha256:abc"],
  // Variables
  ["{{$x := .Id}}{{$x}}", "sha256:abc"],
  ["{{$n := 0}}{{range .RepoTags}}{{$n = len .}}{{end}}{{$n}}", "13"],
  ['{{$s := ""}}{{range .RepoTags}}{{$s = printf "%s%s;" $s .}}{{end}}{{$s}}', "debian:12;debian:latest;"],
  // Functions
  ["{{len .RepoTags}} {{len .Id}} {{len .Config.Labels}} {{len .None}}", "2 10 2 0"],
  ["{{index .RepoTags 1}}", "debian:latest"],
  ["{{(index .Nested.List 0).Name}}", "one"],
  ["{{index .Nested.List 1}}", "map[Name:two]"],
  ["{{slice .Id 7}} {{slice .Id 0 6}}", "abc sha256"],
  ['{{join .RepoTags ", "}}', "debian:12, debian:latest"],
  ['{{join .None ","}}|', "|"],
  ['{{split .Id ":"}}', "[sha256 abc]"],
  ['{{index (split .Id ":") 1}}', "abc"],
  ['{{upper "abc"}} {{lower "ABC"}} {{title "some words"}}', "ABC abc Some Words"],
  ["{{.Id | upper}}", "SHA256:ABC"],
  ['{{pad "x" 1 2}}|', " x  |"],
  ["{{truncate .Id 6}}", "sha256"],
  ['{{print "a" 1 2 "b"}}', "a1 2b"],
  ['{{println "a" 1}}|', "a 1\n|"],
  ['{{html "<a>"}}', "&#60;a&#62;"],
  ['{{urlquery "a b&c"}}', "a+b%26c"],
  ['{{eq .Id "sha256:abc"}} {{eq .Size 1 2 123456789}} {{ne .Id "x"}}', "true true true"],
  ["{{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 2}}", "true true false true"],
  ['{{lt "a" "b"}}', "true"],
  [
    '{{and .Ready .Id}} {{and .Off .Id}} {{or .Empty .Id}} {{or .Empty ""}}|',
    "sha256:abc false sha256:abc |",
  ],
  ["{{or .Ready (index .RepoTags 99)}}", "true"],
  ["{{not .Ready}}", "false"],
  // printf
  ['{{printf "%s %d %v %q" .Id .Size .Ready "x"}}', 'sha256:abc 123456789 true "x"'],
  ['{{printf "%-6s|%6s|%.3s" "ab" "cd" "efgh"}}', "ab    |    cd|efg"],
  ['{{printf "%05d %+d %x %X %o" 42 7 255 255 8}}', "00042 +7 ff FF 10"],
  ['{{printf "%.2f %6.1f %t %%" 1.005 2.25 true}}', "1.00    2.3 true %"],
  ['{{printf "%d" "x"}} {{printf "%s"}} {{printf "a" 1}}', "%!d(string=x) %!s(MISSING) a%!(EXTRA number=1)"],
  ['{{.Size | printf "%d bytes"}}', "123456789 bytes"],
  // Trim markers, comments, strings
  ["a {{- .Zero -}} b", "a0b"],
  ["a {{- /* note */ -}} b", "ab"],
  ["{{/* only */}}x", "x"],
  ["{{ -1 }}", "-1"],
  ['{{"quoted \\"x\\" \\t\\u00e9"}}', 'quoted "x" \té'],
  ["{{`raw \\n`}}", "raw \\n"],
  ["{{true}} {{0x10}} {{1e3}}", "true 16 1000"],
  ["{{if true}}{{if false}}a{{else}}b{{end}}{{end}}", "b"],
  ["{{(print .Id)}}", "sha256:abc"],
  ['{{"x" | printf "%s%s" "y"}}', "yx"],
  ["a\\tb", "a\\tb"],
];

const wrong: readonly (readonly [template: string, message: RegExp])[] = [
  ["{{", /^template: :1: unclosed action$/],
  ["{{.Id", /^template: :1: unclosed action$/],
  ["a\n{{.Id", /^template: :2: unclosed action$/],
  ["{{}}", /^template: :1: missing value for command$/],
  ["{{nope .}}", /^template: :1: function "nope" not defined$/],
  ["{{toString}}", /^template: :1: function "toString" not defined$/],
  ["{{if .Id}}", /^template: :1: unexpected EOF$/],
  ["{{if}}a{{end}}", /^template: :1: missing value for if$/],
  ["{{range .RepoTags}}", /^template: :1: unexpected EOF$/],
  ["{{end}}", /^template: :1: unexpected \{\{end\}\}$/],
  ["{{else}}", /^template: :1: unexpected \{\{else\}\}$/],
  ["{{if 1}}{{else}}{{else}}{{end}}", /expected end; found \{\{else\}\}/],
  ["{{break}}", /\{\{break\}\} outside \{\{range\}\}/],
  ["{{$x}}", /^template: :1: undefined variable "\$x"$/],
  ["{{if 1}}{{$x := 1}}{{end}}{{$x}}", /undefined variable "\$x"/],
  ['{{"abc}}', /unterminated quoted string/],
  ["{{`abc}}", /unterminated raw quoted string/],
  ["{{(len .Id}}", /unclosed left paren/],
  ["{{len .Id)}}", /unexpected right paren/],
  ["{{/* x }}", /unclosed comment/],
  ["{{.Id |}}", /missing value for command/],
  ["{{.Id | 3}}", /non executable command in pipeline stage 2/],
  ['{{define "x"}}{{end}}', /not supported/],
  ["{{1x}}", /bad number syntax/],
  ["{{.Id ? 1}}", /unexpected "\?" in operand/],
  ["{{.Nope}}", /^template: :1:2: executing "" at <\.Nope>: map has no entry for key "Nope"$/],
  [
    "ab\ncd {{.Config.Nope}}",
    /^template: :2:5: executing "" at <\.Config\.Nope>: map has no entry for key "Nope"$/,
  ],
  ["{{.constructor}}", /map has no entry for key "constructor"/],
  ["{{.Id.Sub}}", /can't evaluate field Sub in type string/],
  ["{{.RepoTags.x}}", /can't evaluate field x in type list/],
  ["{{index .RepoTags 9}}", /error calling index: index out of range: 9/],
  ["{{index .RepoTags -1}}", /index out of range: -1/],
  ["{{slice .Id 5 2}}", /index out of range/],
  ["{{len .Size}}", /len of type number/],
  ["{{len}}", /wrong number of args for len: want 1 got 0/],
  ['{{eq 1 "a"}}', /incompatible types for comparison/],
  ["{{lt true false}}", /invalid type for comparison/],
  ["{{range .Size}}{{end}}", /range can't iterate over 123456789/],
  ["{{.Id 1}}", /Id has arguments but cannot be invoked as function/],
  ["{{upper 1}}", /wrong type for value; expected string; got number/],
  [`${"{{if 1}}".repeat(150)}${"{{end}}".repeat(150)}`, /exceeded maximum nesting depth/],
];

describe("templates", () => {
  for (const [template, text] of good)
    test(`${JSON.stringify(template)}`, () => assert.equal(run(template), text));

  for (const [template, message] of wrong)
    test(`${JSON.stringify(template.slice(0, 60))} is refused`, () => {
      assert.throws(
        () => run(template),
        (error) => error instanceof TemplateError && message.test(error.message),
      );
    });

  test("text outside actions is unescaped where a listing asks for it", () => {
    const template = parseTemplate('a\\tb{{"c\\td"}}\\n', { unescapeText: true });
    assert.equal(runTemplate(template, {}), "a\tbc\td\n");
  });

  test("headings pass through functions that shape values", () => {
    const headings = { ID: "IMAGE ID", Size: "SIZE" };
    const template = parseTemplate("{{.ID | lower}} {{json .Size}} {{truncate .ID 3}} {{if .Size}}x{{end}}");
    assert.equal(runTemplate(template, headings, { headings: true }), "IMAGE ID SIZE IMAGE ID x");
  });

  test("whatever is written, it is a text or a TemplateError", () => {
    const piece = fc.constantFrom(
      "{{",
      "}}",
      "{{-",
      "-}}",
      " ",
      ".",
      ".Id",
      "$x",
      ":=",
      "=",
      "|",
      "(",
      ")",
      '"a"',
      "`",
      "1",
      "if",
      "range",
      "else",
      "end",
      "with",
      "len",
      "index",
      "and",
      "printf",
      ",",
      "text",
      "\n",
      "/*",
      "*/",
      "break",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
        try {
          assert.equal(typeof run(pieces.join("")), "string");
        } catch (error) {
          assert.ok(error instanceof TemplateError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});
