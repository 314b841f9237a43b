import { open } from "node:fs/promises";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { codeOf, PlyError } from "../error.ts";
import { shareTurns } from "../turn.ts";
import { MIGRATIONS } from "./schema.ts";

export type Row = Readonly<Record<string, unknown>>;

/** An open SQLite database with its statements kept prepared. All calls are synchronous but `settle`. */
export interface Database {
  get(sql: string, ...values: SQLInputValue[]): Row | undefined;
  all(sql: string, ...values: SQLInputValue[]): Row[];
  /** Number of rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number;
  /** All or nothing; a transaction within a transaction joins it. `body` must not await. */
  transaction<T>(body: () => T): T;
  /**
   * Resolves when everything committed so far outlives a power cut. Commits alone do not wait for the disk
   * (`synchronous = NORMAL`); this waits off the main thread, so the API goes on.
   */
  settle(): Promise<void>;
  close(): void;
}

/** Opens and migrates; throws "unsupported" for a database that a newer ply wrote. */
export function openDatabase(path: string, now: number): Database {
  const sqlite = new DatabaseSync(path);
  try {
    sqlite.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA foreign_keys = ON;
      PRAGMA temp_store = MEMORY;
      CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT;
    `);
    migrate(sqlite, path, now);
  } catch (error) {
    sqlite.close();
    throw error;
  }
  return databaseOver(sqlite, path);
}

function migrate(sqlite: DatabaseSync, path: string, now: number): void {
  const found = sqlite.prepare("SELECT max(version) AS version FROM migrations").get();
  const version = typeof found?.["version"] === "number" ? found["version"] : 0;
  if (version > MIGRATIONS.length)
    throw new PlyError("unsupported", `${path} has version ${version}, this ply knows ${MIGRATIONS.length}`, {
      hint: "use the newer ply that wrote it, or another --root",
    });
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < version) continue;
    sqlite.exec("BEGIN IMMEDIATE");
    try {
      sqlite.exec(sql);
      sqlite.prepare("INSERT INTO migrations VALUES (?, ?)").run(index + 1, now);
      sqlite.exec("COMMIT");
    } catch (error) {
      sqlite.exec("ROLLBACK");
      throw error;
    }
  }
}

function databaseOver(sqlite: DatabaseSync, path: string): Database {
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = sqlite.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };
  let depth = 0;
  return {
    get: (sql, ...values) => prepared(sql).get(...values),
    all: (sql, ...values) => prepared(sql).all(...values),
    run: (sql, ...values) => Number(prepared(sql).run(...values).changes),
    transaction(body) {
      if (depth > 0) return body();
      prepared("BEGIN IMMEDIATE").run();
      depth++;
      try {
        const result = body();
        prepared("COMMIT").run();
        return result;
      } catch (error) {
        prepared("ROLLBACK").run();
        throw error;
      } finally {
        depth--;
      }
    },
    settle: shareTurns(async () => {
      // SQLite keeps no lock on the WAL file itself, so opening and closing it here is safe.
      try {
        await using wal = await open(`${path}-wal`, "r+");
        await wal.sync();
      } catch (error) {
        if (codeOf(error) !== "ENOENT") throw error;
      }
    }),
    close() {
      statements.clear();
      sqlite.close();
    },
  };
}

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw wrongType(column, value);
  return value;
}

export function textOrNull(row: Row, column: string): string | null {
  return row[column] === null ? null : text(row, column);
}

export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw wrongType(column, value);
  return value;
}

export function integerOrNull(row: Row, column: string): number | null {
  return row[column] === null ? null : integer(row, column);
}

function wrongType(column: string, value: unknown): PlyError {
  return new PlyError("internal", `column ${column} of the database holds a ${typeof value}`);
}
