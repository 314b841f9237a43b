import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ExitError } from "../failure.ts";
import { formatListing, formatMentions, listing } from "./listing.ts";
import { formatTable } from "./table.ts";
import { printable, truncate } from "./width.ts";

interface Row {
  readonly id: string;
  readonly size: number;
}

const ROWS: readonly Row[] = [
  { id: "aa", size: 1 },
  { id: "a much longer one", size: 22 },
];

function shown(options: { format?: string; only?: string; rows?: readonly Row[] }): string[] {
  return formatListing(
    listing<Row>({
      columns: [
        { name: "ID", heading: "THE ID", value: ({ id }) => id },
        { name: "Size", heading: "SIZE", value: ({ size }) => `${size}B` },
      ],
      rows: options.rows ?? ROWS,
      methods: { Label: ({ id }, key) => `${key} of ${id}` },
      shown: ["ID", "Size"],
      only: options.only,
      format: options.format,
    }).listing,
  );
}

describe("listings", () => {
  test("a table is aligned, with headings", () => {
    assert.deepEqual(shown({}), [
      "THE ID              SIZE",
      "aa                  1B",
      "a much longer one   22B",
    ]);
    assert.deepEqual(shown({ format: "table" }), shown({}));
    assert.deepEqual(shown({ rows: [] }), ["THE ID    SIZE"]);
  });

  test("a table of one's own takes its headings from the columns", () => {
    assert.deepEqual(shown({ format: "table {{.Size}}\\t{{.ID | upper}}" }), [
      "SIZE      THE ID",
      "1B        AA",
      "22B       A MUCH LONGER ONE",
    ]);
    assert.deepEqual(shown({ format: 'table {{.ID}}\t{{.Label "team"}}', rows: [] }), ["THE ID    team"]);
  });

  test("json is one object per line, keys sorted", () => {
    assert.deepEqual(shown({ format: "json" })[0], '{"ID":"aa","Size":"1B"}');
    assert.deepEqual(shown({ format: "{{json .}}" })[0], '{"ID":"aa","Size":"1B"}');
  });

  test("a template makes a line per row", () => {
    assert.deepEqual(shown({ format: "{{.ID}}={{.Size}}" }), ["aa=1B", "a much longer one=22B"]);
    assert.deepEqual(shown({ format: '{{.Label "x"}}' })[0], "x of aa");
  });

  test("quiet shows one column", () => assert.deepEqual(shown({ only: "ID" }), ["aa", "a much longer one"]));

  test("a wrong template is an error that names what there is", () => {
    const fails = (format: string, message: RegExp): void =>
      assert.throws(
        () => shown({ format }),
        (error) => error instanceof ExitError && error.code === 1 && message.test(error.message),
      );
    fails("{{", /^failed to parse template: template: :1: unclosed action$/);
    fails("{{.Nope}}", /^template parsing error: .*can't evaluate field Nope \(there are ID, Size, Label\)$/);
    fails("{{.constructor}}", /can't evaluate field constructor/);
    fails("{{.toJSON}}", /can't evaluate field toJSON/);
  });

  test("cells are computed only where they are shown", () => {
    let asked = 0;
    const list = listing<Row>({
      columns: [
        { name: "ID", heading: "ID", value: ({ id }) => id },
        { name: "Dear", heading: "DEAR", value: () => String(++asked) },
      ],
      rows: ROWS,
      shown: ["ID"],
    });
    formatListing(list.listing);
    assert.equal(asked, 0);
  });

  test("a format tells which columns it needs", () => {
    assert.equal(formatMentions("{{.ID}}", "Size"), false);
    assert.equal(formatMentions("table {{.Size}}", "Size"), true);
    assert.equal(formatMentions("json", "Size"), true);
    assert.equal(formatMentions(undefined, "Size"), false);
  });

  test("cells are as wide as they look", () => {
    assert.deepEqual(
      formatTable([
        ["日本語日本語", "x"],
        ["abc", "y"],
      ]),
      ["日本語日本語   x", "abc            y"],
    );
  });

  test("text from outside cannot drive the terminal", () => {
    assert.equal(printable("a\x1b[2Jb\nc\u202ed\te\x9bf"), "a\\x1b[2Jb\\nc\\x202ed e\\x9bf");
    assert.equal(truncate("abcdef", 4), "abc…");
    assert.equal(truncate("日本語", 4), "日…");
    assert.equal(truncate("abc", 3), "abc");
    assert.equal(truncate("abc", 1), "…");
  });
});
