import { sprintf } from "./printf.ts";
import { formatValue, isObject, isTrue, typeName } from "./value.ts";

/** Throws Error with the reason; the caller says where. */
type TemplateFunction = (args: readonly unknown[]) => unknown;

/** How many arguments a function takes. */
interface Arity {
  readonly min: number;
  readonly max: number;
}

const text = (value: unknown): string => {
  if (typeof value === "string") return value;
  if (value === undefined || value === null) return "";
  throw new Error(`wrong type for value; expected string; got ${typeName(value)}`);
};
const integer = (value: unknown): number => {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new Error(`wrong type for value; expected int; got ${typeName(value)}`);
};

function lengthOf([value]: readonly unknown[]): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (isObject(value)) return Object.keys(value).length;
  if (value === null || value === undefined) return 0;
  throw new Error(`len of type ${typeName(value)}`);
}

function indexInto([start, ...keys]: readonly unknown[]): unknown {
  let value = start;
  for (const key of keys) {
    if (value === null || value === undefined) return "";
    if (Array.isArray(value) || typeof value === "string") {
      const at = integer(key);
      if (at < 0 || at >= value.length) throw new Error(`error calling index: index out of range: ${at}`);
      value = typeof value === "string" ? value.charCodeAt(at) : (value[at] as unknown);
    } else if (isObject(value)) {
      const name = text(key);
      // A map of strings answers with Go's zero value, so that a label that is not set prints as nothing.
      const absent = Object.values(value).every((each) => typeof each === "string") ? "" : undefined;
      value = Object.hasOwn(value, name) ? value[name] : absent;
    } else throw new Error(`error calling index: can't index item of type ${typeName(value)}`);
  }
  return value;
}

function sliceOf([value, from, to]: readonly unknown[]): unknown {
  if (typeof value !== "string" && !Array.isArray(value))
    throw new Error(`error calling slice: can't slice item of type ${typeName(value)}`);
  const start = from === undefined ? 0 : integer(from);
  const end = to === undefined ? value.length : integer(to);
  if (start < 0 || end > value.length || start > end)
    throw new Error(
      `error calling slice: index out of range: ${start < 0 || start > value.length ? start : end}`,
    );
  return value.slice(start, end);
}

function joinList([list, separator]: readonly unknown[]): string {
  if (list === null || list === undefined) return "";
  if (!Array.isArray(list)) throw new Error(`wrong type for value; expected list; got ${typeName(list)}`);
  return list.map((item) => formatValue(item, true)).join(text(separator));
}

/** Go's Sprint: blanks between neighbours of which neither is a string. */
function sprint(args: readonly unknown[]): string {
  return args
    .map(
      (arg, i) =>
        (i > 0 && typeof arg !== "string" && typeof args[i - 1] !== "string" ? " " : "") +
        formatValue(arg, true),
    )
    .join("");
}

function comparable(a: unknown, b: unknown): void {
  const kind = (value: unknown): string => (value === undefined || value === null ? "nil" : typeof value);
  if (kind(a) !== kind(b) && kind(a) !== "nil" && kind(b) !== "nil")
    throw new Error("incompatible types for comparison");
  if (isObject(a) || Array.isArray(a)) throw new Error(`non-comparable type ${typeName(a)}`);
}

function equal(a: unknown, b: unknown): boolean {
  comparable(a, b);
  return (a ?? null) === (b ?? null);
}

function less(a: unknown, b: unknown): boolean {
  comparable(a, b);
  if (typeof a === "number" && typeof b === "number") return a < b;
  if (typeof a === "string" && typeof b === "string") return a < b;
  throw new Error("invalid type for comparison");
}

const upperFirst = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

const FUNCTIONS: Readonly<Record<string, readonly [TemplateFunction, Arity]>> = {
  json: [([value]) => JSON.stringify(value ?? null), { min: 1, max: 1 }],
  join: [joinList, { min: 2, max: 2 }],
  split: [([value, separator]) => text(value).split(text(separator)), { min: 2, max: 2 }],
  title: [([value]) => text(value).replace(/[^\s]+/g, upperFirst), { min: 1, max: 1 }],
  lower: [([value]) => text(value).toLowerCase(), { min: 1, max: 1 }],
  upper: [([value]) => text(value).toUpperCase(), { min: 1, max: 1 }],
  pad: [
    ([value, before, after]) =>
      text(value) === "" ? "" : " ".repeat(integer(before)) + text(value) + " ".repeat(integer(after)),
    { min: 3, max: 3 },
  ],
  truncate: [([value, length]) => [...text(value)].slice(0, integer(length)).join(""), { min: 2, max: 2 }],
  len: [lengthOf, { min: 1, max: 1 }],
  index: [indexInto, { min: 1, max: Infinity }],
  slice: [sliceOf, { min: 1, max: 3 }],
  print: [sprint, { min: 0, max: Infinity }],
  println: [(args) => `${args.map((arg) => formatValue(arg, true)).join(" ")}\n`, { min: 0, max: Infinity }],
  printf: [([format, ...args]) => sprintf(text(format), args), { min: 1, max: Infinity }],
  html: [
    (args) => sprint(args).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`),
    { min: 1, max: Infinity },
  ],
  js: [(args) => JSON.stringify(sprint(args)).slice(1, -1), { min: 1, max: Infinity }],
  urlquery: [(args) => encodeURIComponent(sprint(args)).replaceAll("%20", "+"), { min: 1, max: Infinity }],
  not: [([value]) => !isTrue(value), { min: 1, max: 1 }],
  and: [(args) => args.find((arg) => !isTrue(arg)) ?? args.at(-1), { min: 1, max: Infinity }],
  or: [(args) => args.find(isTrue) ?? args.at(-1), { min: 1, max: Infinity }],
  eq: [([first, ...others]) => others.some((other) => equal(first, other)), { min: 2, max: Infinity }],
  ne: [([a, b]) => !equal(a, b), { min: 2, max: 2 }],
  lt: [([a, b]) => less(a, b), { min: 2, max: 2 }],
  le: [([a, b]) => !less(b, a), { min: 2, max: 2 }],
  gt: [([a, b]) => less(b, a), { min: 2, max: 2 }],
  ge: [([a, b]) => !less(a, b), { min: 2, max: 2 }],
};

export const FUNCTION_NAMES: ReadonlySet<string> = new Set(Object.keys(FUNCTIONS));

/** In a table's heading these leave the column's heading as it is. */
const SHAPING: ReadonlySet<string> = new Set([
  "json",
  "split",
  "join",
  "title",
  "lower",
  "upper",
  "truncate",
]);

/** Calls a template function; throws Error with the reason. */
export function callFunction(name: string, args: readonly unknown[], headings: boolean): unknown {
  const entry = FUNCTIONS[name];
  if (entry === undefined) throw new Error(`function ${JSON.stringify(name)} not defined`);
  const [call, { min, max }] = entry;
  if (args.length < min || args.length > max) {
    const want = max === Infinity ? `at least ${min}` : String(args.length < min ? min : max);
    throw new Error(`wrong number of args for ${name}: want ${want} got ${args.length}`);
  }
  return headings && SHAPING.has(name) ? args.find((arg) => typeof arg === "string") : call(args);
}
