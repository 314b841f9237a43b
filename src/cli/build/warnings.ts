import type { PlyBuildMessage } from "../../wire/index.ts";
import { printable } from "../output/width.ts";
import type { Paint } from "./paint.ts";

type Warning = Extract<PlyBuildMessage, { readonly type: "warning" }>;

/** What a build warns of, at its end; nothing for none. */
export function warningLines(warnings: readonly Warning[], paint: Paint): string[] {
  const checks = warnings.filter(({ rule }) => rule !== undefined);
  const others = warnings.filter(({ rule }) => rule === undefined);
  const said = others.map(({ message }) => paint.warning(`WARNING: ${printable(message)}`));
  if (checks.length === 0) return said;
  const count = checks.length === 1 ? "1 warning found" : `${checks.length} warnings found`;
  return [
    ...said,
    "",
    paint.warning(` ${count} (ply build --check shows where):`),
    ...checks.map(({ rule, message, line }) =>
      printable(` - ${rule}: ${message}${line === undefined ? "" : ` (line ${line})`}`),
    ),
  ];
}
