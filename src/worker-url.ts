/** In the compiled binary modules lie under this, by their path from the common folder of all entry points (`src`). */
const COMPILED_ROOT = "/$bunfs/root/";

/** Where the module of a thread lies, by its path from `src`: `layer/ingest.worker.ts`. */
export function workerUrl(path: string): URL {
  const here = import.meta.url;
  return new URL(path, here.includes(COMPILED_ROOT) ? `file://${COMPILED_ROOT}` : here);
}
