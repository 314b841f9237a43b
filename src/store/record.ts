import type { Database } from "./database.ts";
import { text } from "./database.ts";
import type { Records, Store } from "./store.ts";

export function recordsOf(database: Database, collection: string): Records {
  return {
    put(key, value) {
      database.run(
        `INSERT INTO records VALUES (?, ?, ?)
         ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value`,
        collection,
        key,
        JSON.stringify(value),
      );
    },
    get(key) {
      const row = database.get("SELECT value FROM records WHERE collection = ? AND key = ?", collection, key);
      return row === undefined ? undefined : JSON.parse(text(row, "value"));
    },
    delete(key) {
      database.run("DELETE FROM records WHERE collection = ? AND key = ?", collection, key);
    },
    list: () =>
      database
        .all("SELECT key, value FROM records WHERE collection = ? ORDER BY key", collection)
        .map((row) => ({ key: text(row, "key"), value: JSON.parse(text(row, "value")) as unknown })),
  };
}

export function settingsOf(database: Database): Store["settings"] {
  return {
    get(key) {
      const row = database.get("SELECT value FROM settings WHERE key = ?", key);
      return row === undefined ? undefined : text(row, "value");
    },
    set(key, value) {
      database.run(
        "INSERT INTO settings VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        key,
        value,
      );
    },
  };
}
