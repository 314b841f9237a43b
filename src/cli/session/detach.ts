import { UsageError } from "../failure.ts";

/** What the API leaves unsaid: Docker's keys that leave a container running. */
export const DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q";

/** `ctrl-p,ctrl-q` or `a,b` as the bytes a terminal sends; throws UsageError. */
export function parseDetachKeys(text: string): Uint8Array {
  const bytes = text.split(",").map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/.exec(key);
    if (control !== null) return (control[1] ?? "").toUpperCase().charCodeAt(0) - 0x40;
    if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
    throw new UsageError(`invalid detach keys (${text}): Unknown character: '${key}'`);
  });
  return Uint8Array.from(bytes);
}

/**
 * Watches typed bytes go by and says whether the keys were pressed: the engine ends the streams then, as it does
 * when the container stops, and only the one who typed can tell the two apart.
 */
export function createDetachWatch(keys: Uint8Array): {
  see(bytes: Uint8Array): void;
  readonly pressed: boolean;
} {
  let matched = 0;
  let pressed = false;
  return {
    see(bytes) {
      for (const byte of bytes) {
        if (pressed) return;
        matched = byte === keys[matched] ? matched + 1 : byte === keys[0] ? 1 : 0;
        pressed = matched === keys.length;
      }
    },
    get pressed() {
      return pressed;
    },
  };
}
