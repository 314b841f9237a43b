import { homedir } from "node:os";
import { join } from "node:path";
import { PlyError } from "../error.ts";
import { isObject, type JsonObject } from "../oci/index.ts";
import type { Credentials, CredentialsFor } from "./client.ts";
import { readConfigFile, updateConfigFile } from "./config-file.ts";
import { runCredentialHelper } from "./credential-helper.ts";
import { registryHostOf } from "./endpoint.ts";

/** Under what Docker's clients keep the credentials for Docker Hub since the days of its first registry. */
const LEGACY_HUB_KEY = "https://index.docker.io/v1/";

export interface DockerConfigOptions {
  /** The file itself. Default: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
  readonly path?: string;
  /** Where `DOCKER_CONFIG`, `HOME` and, for credential helpers, `PATH` come from. Default: the process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Where the credentials went: a helper's keychain, or the file, only encoded. */
export interface StoredCredentials {
  readonly where: "helper" | "file";
  /** The helper's name, or the file's path. */
  readonly place: string;
}

/**
 * Credentials as Docker's own client keeps them: a helper for the registry (`credHelpers`), one for all
 * (`credsStore`), else the file (`auths`). Reads the file on each call. Throws invalid (a broken file),
 * unavailable (a helper that fails).
 */
export function dockerConfigCredentials(options: DockerConfigOptions = {}): CredentialsFor {
  return async (host) => {
    const config = await readConfigFile(configPath(options));
    return await credentialsIn(config, registryHostOf(host), options);
  };
}

async function credentialsIn(
  config: Awaited<ReturnType<typeof readConfigFile>>,
  registry: string,
  options: DockerConfigOptions,
): Promise<Credentials | undefined> {
  const helper = helperFor(config, registry);
  const kept = helper === undefined ? undefined : await getFromHelper(helper, registry, options);
  return kept ?? getFromFile(config, registry, configPath(options));
}

/**
 * What is kept for all registries, by host, as builds need it, which learn only on the way whom they ask. Helpers, which
 * may be slow or ask their user, are asked only for hosts that `matters` says yes to; `others` names hosts that need not be in
 * the file.
 */
export async function allDockerCredentials({
  matters,
  others = [],
  ...options
}: DockerConfigOptions & {
  readonly matters: (host: string) => boolean;
  readonly others?: readonly string[];
}): Promise<ReadonlyMap<string, Credentials>> {
  const config = await readConfigFile(configPath(options));
  const keys = ["auths", "credHelpers"].flatMap((name) => {
    const entries = config[name];
    return isObject(entries) ? Object.keys(entries) : [];
  });
  const named = new Set(others.map(registryHostOf));
  const found = new Map<string, Credentials>();
  for (const host of new Set([...named, ...keys.map(registryHostOf)]))
    try {
      const credentials =
        helperFor(config, host) === undefined || matters(host)
          ? await credentialsIn(config, host, options)
          : getFromFile(config, host, configPath(options));
      if (credentials !== undefined) found.set(host, credentials);
    } catch (error) {
      // What is broken for a registry that may never be asked is no reason not to build.
      if (named.has(host)) throw error;
    }
  return found;
}

/** Keeps credentials for later (`ply login`); an identity token counts more than the password it came for. */
export async function storeCredentials(
  host: string,
  credentials: Credentials,
  options: DockerConfigOptions = {},
): Promise<StoredCredentials> {
  const path = configPath(options);
  const registry = registryHostOf(host);
  const config = await readConfigFile(path);
  const helper = helperFor(config, registry);
  const key = keyOf(registry);
  const { username = "", password = "", identityToken } = credentials;
  if (helper !== undefined) {
    await runCredentialHelper(helper, "store", {
      input: JSON.stringify({
        ServerURL: key,
        Username: identityToken === undefined ? username : TOKEN_USER,
        Secret: identityToken ?? password,
      }),
      env: options.env ?? process.env,
    });
    // What Docker's client does too: the empty entry shows that there is a login.
    await updateConfigFile(path, (old) => withAuth(old, key, {}));
    return { where: "helper", place: helper };
  }
  const auth = Buffer.from(`${username}:${identityToken === undefined ? password : ""}`, "utf8").toString(
    "base64",
  );
  await updateConfigFile(path, (old) =>
    withAuth(old, key, { auth, ...(identityToken === undefined ? {} : { identitytoken: identityToken }) }),
  );
  return { where: "file", place: path };
}

/** Forgets the credentials for a registry (`ply logout`); false when there were none. */
export async function eraseCredentials(host: string, options: DockerConfigOptions = {}): Promise<boolean> {
  const path = configPath(options);
  const registry = registryHostOf(host);
  const config = await readConfigFile(path);
  const helper = helperFor(config, registry);
  const inHelper = helper !== undefined && (await getFromHelper(helper, registry, options)) !== undefined;
  if (helper !== undefined && inHelper)
    await runCredentialHelper(helper, "erase", { input: keyOf(registry), env: options.env ?? process.env });
  const auths = isObject(config["auths"]) ? config["auths"] : {};
  const keys = Object.keys(auths).filter((key) => registryHostOf(key) === registry);
  if (keys.length > 0)
    await updateConfigFile(path, (old) => ({
      ...old,
      auths: Object.fromEntries(
        Object.entries(isObject(old["auths"]) ? old["auths"] : {}).filter(([key]) => !keys.includes(key)),
      ),
    }));
  return inHelper || keys.length > 0;
}

/** The file in which Docker's client and ply keep credentials. */
export function configPath({ path, env = process.env }: DockerConfigOptions = {}): string {
  if (path !== undefined) return path;
  const dir = env["DOCKER_CONFIG"];
  if (dir !== undefined && dir !== "") return join(dir, "config.json");
  return join(env["HOME"] || homedir(), ".docker", "config.json");
}

/** The user name by which helpers say that the secret is an identity token. */
const TOKEN_USER = "<token>";

function keyOf(registry: string): string {
  return registry === "docker.io" ? LEGACY_HUB_KEY : registry;
}

function helperFor(config: JsonObject, registry: string): string | undefined {
  const helpers = config["credHelpers"];
  if (isObject(helpers))
    for (const [key, name] of Object.entries(helpers))
      if (registryHostOf(key) === registry && typeof name === "string" && name !== "") return name;
  const store = config["credsStore"];
  return typeof store === "string" && store !== "" ? store : undefined;
}

async function getFromHelper(
  helper: string,
  registry: string,
  { env = process.env }: DockerConfigOptions,
): Promise<Credentials | undefined> {
  const answer = await runCredentialHelper(helper, "get", { input: keyOf(registry), env });
  if (answer === undefined) return undefined;
  let document: unknown;
  try {
    document = JSON.parse(answer);
  } catch {
    // Not the text itself in the error: it may hold the secret.
    throw new PlyError("invalid", `docker-credential-${helper} answered with something that is not JSON`);
  }
  const { Username: username, Secret: secret } = isObject(document) ? document : {};
  if (typeof username !== "string" || typeof secret !== "string")
    throw new PlyError("invalid", `docker-credential-${helper} answered without Username and Secret`);
  if (username === "" && secret === "") return undefined;
  return username === TOKEN_USER ? { identityToken: secret } : { username, password: secret };
}

function getFromFile(config: JsonObject, registry: string, path: string): Credentials | undefined {
  const auths = config["auths"];
  if (!isObject(auths)) return undefined;
  const key = [keyOf(registry), registry, ...Object.keys(auths)].find(
    (name) => Object.hasOwn(auths, name) && registryHostOf(name) === registry,
  );
  const entry = key === undefined ? undefined : auths[key];
  if (!isObject(entry)) return undefined;
  const text = (name: string): string | undefined => {
    const value = entry[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const decoded =
    text("auth") === undefined
      ? undefined
      : decodeAuth(text("auth") ?? "", `${path}: auths[${JSON.stringify(key)}]`);
  const username = decoded?.username ?? text("username");
  const password = decoded?.password ?? text("password");
  const identityToken = text("identitytoken");
  const registryToken = text("registrytoken");
  const found: Credentials = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(identityToken === undefined ? {} : { identityToken }),
    ...(registryToken === undefined ? {} : { registryToken }),
  };
  return Object.keys(found).length === 0 ? undefined : found;
}

function decodeAuth(auth: string, at: string): { username: string; password: string } {
  // Some writers end the pair with a NUL.
  const pair = Buffer.from(auth, "base64").toString("utf8").replace(/\0+$/, "");
  const colon = pair.indexOf(":");
  if (colon <= 0) throw new PlyError("invalid", `${at}.auth is not USER:PASSWORD in base64`);
  return { username: pair.slice(0, colon), password: pair.slice(colon + 1) };
}

function withAuth(config: JsonObject, key: string, entry: JsonObject): JsonObject {
  return { ...config, auths: { ...(isObject(config["auths"]) ? config["auths"] : {}), [key]: entry } };
}
