import type { StartOptions } from "./client/autostart.ts";

export { defaultRoot, defaultRunRoot, type EngineAddress, parseAddress } from "./client/index.ts";
export type { Examine, Serve, ServeOptions } from "./command.ts";
export { type CliEnvironment, runCli } from "./run-cli.ts";
export { createStdio, openTerminals, type Stdio } from "./terminal/index.ts";

/** Starts an engine as a process of its own; see there. Loaded only where it is needed: most commands find an engine. */
export async function startEngine(options: StartOptions): Promise<string> {
  const autostart = await import("./client/autostart.ts");
  return autostart.startEngine(options);
}
