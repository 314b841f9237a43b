/**
 * Builds a directory on the engine that runs (PLY_HOST, or the usual socket), and takes the result along: its files, and an
 * OCI archive. Nothing of it stays in the engine but cached steps.
 *   node examples/build-image.ts DIRECTORY OUT
 */
import { BuildError, connectEngine, type PlyBuildMessage } from "../src/library/index.ts"; // "ply" in a program of yours

const [context = ".", out = "out"] = process.argv.slice(2);

function tell(message: PlyBuildMessage): void {
  if (message.type === "output") process.stderr.write(message.text);
  if (message.type !== "step" || message.state === "running") return;
  const why = "why" in message ? ` (${message.why?.kind})` : "";
  console.error(`${message.state}: ${message.step.text}${why}`);
}

await using session = await connectEngine();
const { images } = session.client;

const { warnings } = await images.check({ context });
for (const { rule, message, line } of warnings) console.error(`line ${line}: ${rule}: ${message}`);
try {
  const { id, descriptor } = await images.build({
    context,
    explain: true,
    outputs: [
      { type: "files", to: { directory: out } },
      { type: "oci", to: { file: `${out}.tar` }, names: ["example:1"] },
    ],
    onProgress: tell,
  });
  console.log(id, descriptor?.digest);
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`line ${error.line}: ${error.message}\n${error.output}`);
  process.exitCode = 1;
}
