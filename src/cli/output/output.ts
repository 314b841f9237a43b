import type { Listing } from "./listing.ts";

/** What a command hands back to be printed. `errors` go to stderr afterwards and make the exit code 1. */
export type Output =
  | { readonly kind: "lines"; readonly lines: readonly string[]; readonly errors?: readonly unknown[] }
  | { readonly kind: "listing"; readonly listing: Listing }
  | {
      /** Objects: as indented JSON in one array, or each through the format. */
      readonly kind: "documents";
      readonly values: readonly unknown[];
      readonly format?: string;
      readonly errors?: readonly unknown[];
    }
  | {
      /** One object, shown by these lines unless a format was asked for. */
      readonly kind: "report";
      readonly value: unknown;
      readonly lines: () => readonly string[];
      readonly format?: string;
      readonly errors?: readonly unknown[];
    }
  | {
      /** The command did its own printing. */
      readonly kind: "exit";
      readonly code: number;
    };

export const DONE: Output = { kind: "lines", lines: [] };

export function lines(...texts: readonly string[]): Output {
  return { kind: "lines", lines: texts };
}
