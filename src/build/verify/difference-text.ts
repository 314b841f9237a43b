import type { ChangeAspect, EntryDifference, LayerEntry } from "../../layer/index.ts";
import { shownPath } from "../../tar/index.ts";

/** `/etc/now: content, mtime 2026-01-01T00:00:00Z → 2026-01-01T00:00:01Z` */
export function differenceText({ path, what, before, after }: EntryDifference): string {
  const name = printableName(`/${shownPath(path)}`);
  if (what === "order") return `${name}: its place in the archive`;
  if (what === "added") return `${name}: ${after?.type} that only the second build made`;
  if (what === "deleted") return `${name}: ${before?.type} that only the first build made`;
  if (before === undefined || after === undefined) return name;
  const told = what.map((aspect) => {
    const [old, now] = [aspectText(aspect, before), aspectText(aspect, after)];
    return old === now ? aspect : `${aspect} ${old} → ${now}`;
  });
  return `${name}: ${told.join(", ")}`;
}

function aspectText(aspect: ChangeAspect, entry: LayerEntry): string {
  switch (aspect) {
    case "type":
      return entry.type;
    case "mode":
      return entry.mode.toString(8).padStart(4, "0");
    case "owner":
      return `${entry.uid}:${entry.gid}`;
    case "mtime":
      return timeText(entry);
    case "content":
      return `${entry.size} bytes`;
    case "link":
      return printableName(shownPath(entry.linkTarget));
    case "device":
      return `${entry.rdevMajor}:${entry.rdevMinor}`;
    case "xattr":
      return printableName([...entry.xattrs.keys()].join(" "));
  }
}

function timeText({ mtimeSeconds, mtimeNanos }: LayerEntry): string {
  const milliseconds = mtimeSeconds * 1000;
  // Beyond what a Date holds.
  if (Math.abs(milliseconds) > 8.64e15) return String(mtimeSeconds);
  const whole = new Date(milliseconds).toISOString().slice(0, "2026-01-01T00:00:00".length);
  return mtimeNanos === 0 ? `${whole}Z` : `${whole}.${String(mtimeNanos).padStart(9, "0")}Z`;
}

/** Names come from the build: none of them is to move a terminal's cursor. */
function printableName(name: string): string {
  return /^[^\p{C}\p{Z}]*$/u.test(name) ? name : JSON.stringify(name).replace(/[\p{Cf}\p{Cc}]/gu, "?");
}
