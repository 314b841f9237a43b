import { widthOf } from "./width.ts";

/** Docker's tables: cells at least ten columns wide, three blanks between, the last one as it is. */
const MIN_CELL = 10;
const GAP = 3;

/** Aligned lines. Rows may differ in length. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const measured = rows.map((row) => row.map(widthOf));
  const columns: number[] = [];
  // A row's last cell sets no width, so one long line does not push the others' cells away.
  for (const widths of measured)
    for (let column = 0; column < widths.length - 1; column++)
      columns[column] = Math.max(columns[column] ?? MIN_CELL, (widths[column] ?? 0) + GAP);
  return rows.map((row, at) => {
    let line = "";
    for (let column = 0; column < row.length; column++) {
      line += row[column];
      if (column < row.length - 1) line += " ".repeat((columns[column] ?? 0) - (measured[at]?.[column] ?? 0));
    }
    return line;
  });
}
