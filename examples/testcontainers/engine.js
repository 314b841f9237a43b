/** One engine for the whole test run. It needs no goodbye: it ends when this process does, however that comes about. */
import { startEngine } from "ply";

export const engine = await startEngine();
// testcontainers looks here for Docker; it must not have been loaded yet.
Object.assign(process.env, engine.env);
