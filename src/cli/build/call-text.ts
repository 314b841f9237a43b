import type { PlyBuildAnswer } from "../../wire/index.ts";
import { formatTable } from "../output/table.ts";
import { printable } from "../output/width.ts";
import { excerpt } from "./excerpt.ts";

type Check = Extract<PlyBuildAnswer, { readonly type: "check" }>;
type Outline = Extract<PlyBuildAnswer, { readonly type: "outline" }>;
type Targets = Extract<PlyBuildAnswer, { readonly type: "targets" }>;

/** An answer as buildx prints it. */
export function answerText(answer: PlyBuildAnswer): string[] {
  switch (answer.type) {
    case "check":
      return checkText(answer);
    case "outline":
      return outlineText(answer);
    case "targets":
      return targetsText(answer);
  }
}

/** Why a Dockerfile cannot be built. */
export function errorText({ dockerfile, error }: Check): string[] {
  if (error === undefined) return [];
  const place = error.line === undefined ? [] : excerpt(dockerfile, error.line, error.endLine);
  return [`ERROR: ${printable(error.message)}`, ...place];
}

function checkText({ warnings, dockerfile, error }: Check): string[] {
  const count = warnings.length;
  if (count === 0) return error === undefined ? ["Check complete, no warnings found."] : [];
  const found = count === 1 ? "1 warning has been found!" : `${count} warnings have been found!`;
  const each = warnings.flatMap(({ rule, url, message, line, endLine }) => [
    "",
    `WARNING: ${rule}${url === undefined ? "" : ` - ${url}`}`,
    printable(message),
    ...excerpt(dockerfile, line, endLine),
  ]);
  return [`Check complete, ${found}`, ...each];
}

function outlineText({ name, description, args, secrets, ssh, caches }: Outline): string[] {
  const mark = ({ isRequired }: { readonly isRequired: boolean }) => (isRequired ? "true" : "");
  const tables: (readonly (readonly string[])[])[] = [
    [["TARGET:", name ?? "(default)"], ...(description === undefined ? [] : [["DESCRIPTION:", description]])],
    table(
      ["BUILD ARG", "VALUE", "DESCRIPTION"],
      args.map((arg) => [arg.name, arg.value ?? "", arg.description ?? ""]),
    ),
    table(
      ["SECRET", "REQUIRED"],
      secrets.map((secret) => [secret.name, mark(secret)]),
    ),
    table(
      ["SSH", "REQUIRED"],
      ssh.map((agent) => [agent.name, mark(agent)]),
    ),
    table(
      ["CACHE"],
      caches.map((cache) => [cache.name]),
    ),
  ];
  const shown = tables.filter((rows) => rows.length > 0);
  return shown.flatMap((rows, n) => [...(n === 0 ? [] : [""]), ...formatted(rows)]);
}

function targetsText({ targets }: Targets): string[] {
  return formatted([
    ["TARGET", "DESCRIPTION"],
    ...targets.map(({ name, isDefault, description = "" }) => {
      const shown = [name, ...(isDefault ? ["(default)"] : [])].filter((word) => word !== undefined);
      return [shown.join(" "), description];
    }),
  ]);
}

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): readonly (readonly string[])[] {
  return rows.length === 0 ? [] : [head, ...rows];
}

function formatted(rows: readonly (readonly string[])[]): string[] {
  return formatTable(rows.map((row) => row.map(printable))).map((line) => line.trimEnd());
}
