export { startEngine } from "./client/autostart.ts";
export { defaultRoot, defaultRunRoot, type EngineAddress, parseAddress } from "./client/index.ts";
export type { Serve, ServeOptions } from "./command.ts";
export { type CliEnvironment, runCli } from "./run-cli.ts";
export { createStdio, openTerminals, type Stdio } from "./terminal/index.ts";
