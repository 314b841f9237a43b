import { createStdio, openTerminals, runCli, type Serve, startEngine } from "./cli/index.ts";

/** Everything an engine needs is loaded only by the process that is one. */
const serve: Serve = async (options) => {
  const [{ serve: run }, { openEngine }] = await Promise.all([import("./serve.ts"), import("./engine.ts")]);
  await run({ ...options, openEngine });
};

/** The words that run this program again: the binary alone, or Bun and this file. */
function program(): readonly string[] {
  return Bun.main.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, Bun.main];
}

const stdio = createStdio(openTerminals);
const code = await runCli(process.argv.slice(2), {
  stdio,
  env: process.env,
  uid: process.getuid?.() ?? 0,
  serve,
  startEngine: async (address) => {
    const log = await startEngine({ address, program: program(), env: process.env });
    stdio.err(`ply: no engine listened on ${address.text}; started one (its log: ${log})\n`);
  },
});
process.exit(code);
