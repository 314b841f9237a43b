import { createStdio, type Examine, openTerminals, runCli, type Serve, startEngine } from "./cli/index.ts";

/** Everything an engine needs is loaded only by the process that is one. */
const serve: Serve = async (options) => {
  const [{ serve: run }, { openEngine }] = await Promise.all([import("./serve.ts"), import("./engine.ts")]);
  await run({ ...options, openEngine });
};

/** Without an engine: why it cannot start may be found out. */
const examine: Examine = async (roots) => (await import("./engine-doctor.ts")).examine(roots);

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
  examine,
  startEngine: async (address) => {
    const log = await startEngine({ address, program: program(), env: process.env });
    stdio.err(`ply: no engine listened on ${address.text}; started one (its log: ${log})\n`);
  },
});
process.exit(code);
