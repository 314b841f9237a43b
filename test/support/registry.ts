import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "./free-port.ts";
import { startTokenService, type TokenService } from "./registry-token-service.ts";

export {
  type Fault,
  type FaultyProxy,
  type FaultyRequest,
  startFaultyProxy,
} from "./registry-faulty-proxy.ts";
export type { TokenRequest, TokenService } from "./registry-token-service.ts";

const run = promisify(execFile);

const REGISTRY = "/usr/bin/docker-registry";
/** Some hundred times what it takes on an idle machine. */
const START_TIMEOUT_MS = 30_000;

export interface RegistryFixtureOptions {
  /** Serve HTTPS with a certificate for 127.0.0.1, ::1 and localhost by a CA of its own. */
  readonly tls?: boolean;
  /** Ask for basic auth with this one account. */
  readonly htpasswd?: Account;
  /** Ask for bearer tokens; the service knows this account, and gives anonymous callers `pull` where `anonymousPull` says so. */
  readonly token?: Account & {
    readonly anonymousPull?: boolean;
    /** Lifetime of a token. Default 300. */
    readonly expiresInSeconds?: number;
  };
  /** Folder to keep blobs in, which then survives `stop` (several registries, or runs, may share it). Default: its own, removed. */
  readonly storage?: string;
  /** Work as a pull-through cache of this registry: `http://127.0.0.1:5000`. */
  readonly proxyOf?: string;
}

export interface Account {
  readonly username: string;
  readonly password: string;
}

/** Debian's docker-registry on a free loopback port; gone, with all it kept, after `stop` or `await using`. */
export interface RegistryFixture extends AsyncDisposable {
  /** `127.0.0.1:PORT`, as image names begin. */
  readonly host: string;
  /** `http://127.0.0.1:PORT` or `https://…`. */
  readonly url: string;
  /** The CA's certificate (PEM), with `tls`. */
  readonly caFile?: string;
  /** A folder laid out as /etc/docker/certs.d that trusts that CA for this host, with `tls`. */
  readonly certsDir?: string;
  /** The token service, with `token`: what it was asked. */
  readonly tokens?: TokenService;
  /** What the registry has written to its log. */
  log(): Promise<string>;
  stop(): Promise<void>;
}

/** Why there can be no registry here (a reason for `skip`), or false. */
export const registryIsMissing: string | false = existsSync(REGISTRY)
  ? false
  : "docker-registry is not installed";

/** Starts a registry: `await using registry = await startRegistry({ tls: true })`. */
export async function startRegistry(options: RegistryFixtureOptions = {}): Promise<RegistryFixture> {
  const dir = await mkdtemp(join(tmpdir(), "ply-registry-"));
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rm(dir, { recursive: true, force: true }));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const tls = options.tls === true ? await makeTls(dir, host) : undefined;
  const tokens =
    options.token === undefined ? undefined : undo.use(await startTokenService(dir, options.token));
  const config = {
    version: "0.1",
    log: { level: "warn", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: options.storage ?? join(dir, "storage") },
      delete: { enabled: true },
    },
    http: {
      addr: host,
      secret: "only for tests",
      ...(tls === undefined ? {} : { tls: { certificate: tls.certificate, key: tls.key } }),
    },
    ...(await authOf(options, dir, tokens)),
    ...(options.proxyOf === undefined ? {} : { proxy: { remoteurl: options.proxyOf } }),
  };
  // JSON is YAML.
  const configFile = join(dir, "config.yml");
  await writeFile(configFile, JSON.stringify(config));
  const logFile = join(dir, "log");
  // pdeathsig: a test run that is killed leaves no registry behind.
  const child = spawn(
    "setpriv",
    ["--pdeathsig", "KILL", "sh", "-c", `exec ${REGISTRY} serve "$0" >"$1" 2>&1`, configFile, logFile],
    { stdio: "ignore" },
  );
  undo.defer(() => stopChild(child));
  const log = (): Promise<string> => readFile(logFile, "utf8").catch(() => "");
  await waitUntilListening(child, port, log);
  const kept = undo.move();
  const stop = (): Promise<void> => kept.disposeAsync();
  return {
    host,
    url: `${tls === undefined ? "http" : "https"}://${host}`,
    ...(tls === undefined ? {} : { caFile: tls.caFile, certsDir: tls.certsDir }),
    ...(tokens === undefined ? {} : { tokens }),
    log,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function authOf(
  { htpasswd, token }: RegistryFixtureOptions,
  dir: string,
  tokens: TokenService | undefined,
): Promise<object> {
  if (htpasswd !== undefined) {
    const { stdout } = await run("htpasswd", ["-nbB", "-C", "4", htpasswd.username, htpasswd.password]);
    const path = join(dir, "htpasswd");
    await writeFile(path, stdout.trim());
    return { auth: { htpasswd: { realm: "ply tests", path } } };
  }
  if (token === undefined || tokens === undefined) return {};
  const { realm, service, issuer, certificateFile } = tokens;
  return { auth: { token: { realm, service, issuer, rootcertbundle: certificateFile } } };
}

/** A CA, a server certificate by it, and a certs.d folder for the host. */
async function makeTls(
  dir: string,
  host: string,
): Promise<{ caFile: string; certificate: string; key: string; certsDir: string }> {
  const at = (name: string): string => join(dir, name);
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await run("openssl", [
    ...["req", "-x509", ...ec, "-days", "2", "-subj", "/CN=ply test CA"],
    ...["-keyout", at("ca.key"), "-out", at("ca.pem")],
  ]);
  await run("openssl", [
    ...["req", "-x509", ...ec, "-days", "2", "-subj", "/CN=127.0.0.1"],
    ...["-CA", at("ca.pem"), "-CAkey", at("ca.key")],
    ...["-addext", "subjectAltName=IP:127.0.0.1,IP:::1,DNS:localhost"],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
    ...["-keyout", at("tls.key"), "-out", at("tls.pem")],
  ]);
  const certsDir = at("certs.d");
  await mkdir(join(certsDir, host), { recursive: true });
  await copyFile(at("ca.pem"), join(certsDir, host, "ca.crt"));
  return { caFile: at("ca.pem"), certificate: at("tls.pem"), key: at("tls.key"), certsDir };
}

async function waitUntilListening(
  child: ChildProcess,
  port: number,
  log: () => Promise<string>,
): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!(await canConnect(port))) {
    if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline)
      throw new Error(`docker-registry did not start: ${(await log()).slice(-2000)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
  });
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
