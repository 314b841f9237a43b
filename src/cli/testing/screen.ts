/** A terminal small enough to read: what the painter's escape sequences leave on the screen. */
export interface Screen {
  write(text: string): void;
  /** Everything ever shown that was not painted over, without trailing blanks. */
  lines(): string[];
  readonly columns: number;
}

export function createScreen(columns: number): Screen {
  const cells: string[][] = [[]];
  let row = 0;
  let column = 0;
  const put = (character: string): void => {
    if (column >= columns) {
      row++;
      column = 0;
    }
    while (cells.length <= row) cells.push([]);
    const line = cells[row] ?? [];
    while (line.length < column) line.push(" ");
    line[column++] = character;
  };
  return {
    columns,
    write(text) {
      for (const [token] of text.matchAll(/\x1b\[(\??[\d;]*)([A-Za-z])|[\s\S]/gu)) {
        const sequence = /^\x1b\[(\??[\d;]*)([A-Za-z])$/.exec(token);
        if (token === "\n") {
          row++;
          column = 0;
          while (cells.length <= row) cells.push([]);
        } else if (token === "\r") column = 0;
        else if (sequence === null) put(token);
        else if (sequence[2] === "A") row = Math.max(0, row - Number(sequence[1] || 1));
        else if (sequence[2] === "K") cells[row]?.splice(column);
        else if (sequence[2] === "J") {
          cells[row]?.splice(column);
          cells.splice(row + 1);
        } else if (sequence[1] !== "?2026")
          throw new Error(`the screen does not know ${JSON.stringify(token)}`);
      }
    },
    lines() {
      const texts = cells.map((line) => line.join("").trimEnd());
      while (texts.at(-1) === "") texts.pop();
      return texts;
    },
  };
}
