import { formatNumber, formatValue, typeName } from "./value.ts";

const VERB =
  /%(?:(?<percent>%)|(?<flags>[-+# 0]*)(?<width>\d{1,4})?(?:\.(?<precision>\d{1,4}))?(?<verb>[a-zA-Z])|(?<bad>$))/g;

/** Go's Sprintf for the verbs that make sense here; a missing or left-over argument shows as Go shows it. */
export function sprintf(format: string, args: readonly unknown[]): string {
  let used = 0;
  const text = format.replace(VERB, (...match) => {
    const groups = match.at(-1) as Record<string, string | undefined>;
    if (groups["percent"] !== undefined) return "%";
    if (groups["bad"] !== undefined) return "%!(NOVERB)";
    const verb = groups["verb"] ?? "v";
    if (used >= args.length) return `%!${verb}(MISSING)`;
    return formatArgument(args[used++], verb, groups);
  });
  const extra = args.slice(used);
  return extra.length === 0
    ? text
    : `${text}%!(EXTRA ${extra.map((arg) => `${typeName(arg)}=${formatValue(arg)}`).join(", ")})`;
}

function formatArgument(
  value: unknown,
  verb: string,
  spec: Readonly<Record<string, string | undefined>>,
): string {
  const flags = spec["flags"] ?? "";
  const precision = spec["precision"] === undefined ? undefined : Number(spec["precision"]);
  const text = convert(value, verb, precision, flags);
  const width = Number(spec["width"] ?? 0);
  if (flags.includes("-")) return text.padEnd(width);
  if (!flags.includes("0") || typeof value !== "number") return text.padStart(width);
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  return sign + text.slice(sign.length).padStart(width - sign.length, "0");
}

function convert(value: unknown, verb: string, precision: number | undefined, flags: string): string {
  const bad = (): string => `%!${verb}(${typeName(value)}=${formatValue(value)})`;
  const signed = (text: string): string => (flags.includes("+") && !text.startsWith("-") ? `+${text}` : text);
  switch (verb) {
    case "v":
      return typeof value === "number" ? signed(formatNumber(value)) : formatValue(value, true);
    case "s": {
      if (typeof value === "number" || typeof value === "boolean") return bad();
      const text = formatValue(value, true);
      return precision === undefined ? text : [...text].slice(0, precision).join("");
    }
    case "q":
      return typeof value === "string" ? JSON.stringify(value) : bad();
    case "t":
      return typeof value === "boolean" ? String(value) : bad();
    case "d":
      return typeof value === "number" && Number.isInteger(value) ? signed(String(value)) : bad();
    case "f":
    case "F":
      return typeof value === "number" ? signed(value.toFixed(Math.min(precision ?? 6, 100))) : bad();
    case "e":
      return typeof value === "number"
        ? signed(value.toExponential(Math.min(precision ?? 6, 100)).replace(/e([+-])(\d)$/, "e$10$2"))
        : bad();
    case "g":
      return typeof value === "number"
        ? signed(
            formatNumber(
              precision === undefined
                ? value
                : Number(value.toPrecision(Math.min(Math.max(precision, 1), 100))),
            ),
          )
        : bad();
    case "x":
    case "X": {
      const hex =
        typeof value === "string"
          ? Buffer.from(value).toString("hex")
          : typeof value === "number" && Number.isInteger(value)
            ? `${flags.includes("#") ? "0x" : ""}${value.toString(16)}`
            : bad();
      return verb === "X" ? hex.toUpperCase() : hex;
    }
    case "o":
      return typeof value === "number" && Number.isInteger(value) ? value.toString(8) : bad();
    case "T":
      return typeName(value);
    default:
      return bad();
  }
}
