import { ExitError } from "../failure.ts";
import { parseTemplate, runTemplate, type Template, TemplateError } from "../template/index.ts";
import { formatTable } from "./table.ts";

/** One field of a listing: its name in templates, its heading in tables. */
export interface Column<Row> {
  readonly name: string;
  readonly heading: string;
  readonly value: (row: Row) => string;
}

/** Rows and what to show of them. Cells are computed only where they are shown. */
export interface Listing {
  readonly headings: Readonly<Record<string, string>>;
  /** The cells of some columns, row by row. */
  readonly cells: (names: readonly string[]) => string[][];
  /** For templates and JSON: objects with the columns as (computed) properties. */
  readonly records: () => Readonly<Record<string, string>>[];
  /** Columns of the plain table. */
  readonly shown: readonly string[];
  readonly methods: readonly string[];
  /** Just this column, one cell a line: `-q`. */
  readonly only?: string;
  readonly format?: string;
  readonly withoutHeadings?: boolean;
}

export interface ListingOptions<Row> {
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** Columns with an argument: `{{.Label "team"}}`. Its heading is the argument. */
  readonly methods?: Readonly<Record<string, (row: Row, argument: string) => string>>;
  readonly shown: readonly string[];
  readonly only?: string | undefined;
  readonly format?: string | undefined;
  readonly withoutHeadings?: boolean;
}

const ROW = Symbol("row");

/** Makes a listing of any rows. */
export function listing<Row>(options: ListingOptions<Row>): {
  readonly kind: "listing";
  readonly listing: Listing;
} {
  const { columns, rows, methods = {} } = options;
  const byName = new Map(columns.map(({ name, value }) => [name, value]));
  return {
    kind: "listing",
    listing: {
      headings: Object.fromEntries(columns.map(({ name, heading }) => [name, heading])),
      methods: Object.keys(methods),
      cells(names) {
        const values = names.map((name) => byName.get(name) ?? (() => ""));
        return rows.map((row) => values.map((value) => value(row)));
      },
      records: () => recordsOf(options),
      shown: options.shown,
      ...(options.only === undefined ? {} : { only: options.only }),
      ...(options.format === undefined || options.format === "" ? {} : { format: options.format }),
      ...(options.withoutHeadings === true ? { withoutHeadings: true } : {}),
    },
  };
}

function recordsOf<Row>({
  columns,
  rows,
  methods = {},
}: ListingOptions<Row>): Readonly<Record<string, string>>[] {
  const prototype: object = {};
  for (const { name, value } of columns)
    Object.defineProperty(prototype, name, {
      enumerable: true,
      get(this: { [ROW]: Row }) {
        return value(this[ROW]);
      },
    });
  for (const [name, method] of Object.entries(methods))
    Object.defineProperty(prototype, name, {
      enumerable: true,
      value(this: { [ROW]: Row }, argument: string) {
        return method(this[ROW], argument);
      },
    });
  Object.defineProperty(prototype, "toJSON", {
    value(this: Record<string, string>) {
      return Object.fromEntries(columns.map(({ name }) => [name, this[name]]).sort());
    },
  });
  return rows.map((row) => {
    const holder: { [ROW]: Row } & Record<string, string> = Object.create(prototype);
    holder[ROW] = row;
    return holder;
  });
}

/** The columns a format needs, so that expensive ones are asked of the engine only when shown. */
export function formatMentions(format: string | undefined, column: string): boolean {
  return (
    format !== undefined && (format === "json" || format.includes("json .") || format.includes(`.${column}`))
  );
}

/** Docker's rules for `--format`: nothing or `table`, `table TEMPLATE`, `json`, `TEMPLATE`. */
export function formatListing(list: Listing): string[] {
  const { format } = list;
  if (list.only !== undefined && (format === undefined || format === "table"))
    return list.cells([list.only]).map(([cell = ""]) => cell);
  if (format === undefined || format === "table") {
    const cells = list.cells(list.shown);
    const headings = list.shown.map((name) => list.headings[name] ?? name);
    return formatTable(list.withoutHeadings === true ? cells : [headings, ...cells]);
  }
  const records = list.records();
  if (format === "json") return records.map((record) => JSON.stringify(record));
  const tabled = /^table\s+([\s\S]*)$/.exec(format);
  const template = parseListingTemplate(tabled?.[1] ?? format);
  const texts = records.map((record) => runListingTemplate(template, record));
  if (tabled === null) return texts;
  const methods = Object.fromEntries(list.methods.map((name) => [name, (argument: string) => argument]));
  const heading = runTemplate(template, { ...list.headings, ...methods }, { headings: true });
  return formatTable(
    (list.withoutHeadings === true ? texts : [heading, ...texts]).map((text) => text.split("\t")),
  );
}

function parseListingTemplate(source: string): Template {
  try {
    return parseTemplate(source, { unescapeText: true });
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(1, `failed to parse template: ${error.message}`);
    throw error;
  }
}

function runListingTemplate(template: Template, record: unknown): string {
  try {
    return runTemplate(template, record);
  } catch (error) {
    if (error instanceof TemplateError) throw new ExitError(1, `template parsing error: ${error.message}`);
    throw error;
  }
}
