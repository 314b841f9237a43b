import type { PlyCacheMount } from "../../wire/index.ts";
import { command } from "../command.ts";
import { OBJECT_FORMAT_FLAG } from "./format-flag.ts";

export default command({
  args: { usage: "CACHE...", min: 1 },
  flags: { format: OBJECT_FORMAT_FLAG },
  description: "An id means all caches that have it, a key one of them.",
  examples: [["ply cache inspect -f '{{.step}}' go-build", "the instruction that had it last"]],
  async run({ engine }, { format }, names) {
    const values = await engine.json<PlyCacheMount[]>("GET", "/ply/cache", { query: { name: names } });
    return { kind: "documents", values, errors: [], ...(format === undefined ? {} : { format }) };
  },
});
