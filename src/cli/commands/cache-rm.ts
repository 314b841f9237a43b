import type { PlyCacheRemoved } from "../../wire/index.ts";
import { command } from "../command.ts";
import { eachName } from "./each-name.ts";

export default command({
  args: { usage: "CACHE...", min: 1 },
  flags: {},
  description: "An id means all caches that have it, a key one of them. One that a build has is not removed.",
  run: ({ engine }, _flags, names) =>
    eachName(names, async (name) => {
      await engine.json<PlyCacheRemoved>("DELETE", "/ply/cache", { query: { name } });
      return [name];
    }),
});
