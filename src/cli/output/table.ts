import { widthOf } from "./width.ts";

/** Docker's tables: cells at least ten columns wide, three blanks between, the last one as it is. */
const MIN_CELL = 10;
const GAP = 3;

/** Aligned lines. Rows may differ in length. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => {
      // A row's last cell sets no width, so one long line does not push the others' cells away.
      if (column < row.length - 1) widths[column] = Math.max(widths[column] ?? MIN_CELL, widthOf(cell) + GAP);
    });
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? cell : cell + " ".repeat((widths[column] ?? 0) - widthOf(cell)),
      )
      .join(""),
  );
}
