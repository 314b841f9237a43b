import { execFile } from "node:child_process";
import { createPrivateKey, type KeyObject, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface TokenRequest {
  readonly method: string;
  /** undefined: anonymous. */
  readonly account: string | undefined;
  readonly grant: "basic" | "password" | "refresh_token" | "anonymous";
  readonly scopes: readonly string[];
  readonly granted: boolean;
}

/** A token service after the distribution project's auth/token and auth/oauth documents, on loopback. */
export interface TokenService extends AsyncDisposable {
  /** URL of the endpoint. */
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** PEM of the certificate that signs; a registry's `rootcertbundle`. */
  readonly certificateFile: string;
  /** Everything asked so far. */
  readonly requests: readonly TokenRequest[];
  /** The refresh (identity) token handed out for `offline_token` and `access_type=offline`. */
  readonly refreshToken: string;
}

export interface TokenServiceOptions {
  readonly username: string;
  readonly password: string;
  readonly anonymousPull?: boolean;
  readonly expiresInSeconds?: number;
}

interface Grant {
  readonly account: string | undefined;
  readonly grant: TokenRequest["grant"];
  readonly scopes: readonly string[];
  readonly wantsRefreshToken: boolean;
  readonly isAllowed: boolean;
}

/** Starts the service; `dir` gets its key and certificate. */
export async function startTokenService(dir: string, options: TokenServiceOptions): Promise<TokenService> {
  const issuer = "ply test token service";
  const service = "ply test registry";
  const keyFile = join(dir, "token.key");
  const certificateFile = join(dir, "token.pem");
  await run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
    ...["-subj", "/CN=ply test tokens", "-keyout", keyFile, "-out", certificateFile],
  ]);
  const key = createPrivateKey(await readFile(keyFile));
  const certificate = (await readFile(certificateFile, "utf8")).replace(/-----[^-]+-----|\s/g, "");
  const requests: TokenRequest[] = [];
  const refreshToken = `refresh-${randomUUID()}`;
  const expiresIn = options.expiresInSeconds ?? 300;

  const server = createServer((request, response) => {
    void readForm(request).then((form) => {
      const grant = judge(request, form, options, refreshToken);
      requests.push({
        method: request.method ?? "",
        account: grant.account,
        grant: grant.grant,
        scopes: grant.scopes,
        granted: grant.isAllowed,
      });
      response.setHeader("Content-Type", "application/json");
      if (!grant.isAllowed) {
        response.statusCode = 401;
        response.end(
          JSON.stringify({ errors: [{ code: "UNAUTHORIZED", message: "incorrect username or password" }] }),
        );
        return;
      }
      const actions =
        grant.account === undefined
          ? options.anonymousPull
            ? ["pull"]
            : []
          : ["pull", "push", "delete", "*"];
      const claims = {
        iss: issuer,
        aud: service,
        sub: grant.account ?? "",
        access: grant.scopes.flatMap((scope) => accessOf(scope, actions)),
        jti: randomUUID(),
      };
      const now = Math.floor(Date.now() / 1000);
      const token = signToken({ ...claims, iat: now, nbf: now - 5, exp: now + expiresIn }, key, certificate);
      response.end(
        JSON.stringify({
          token,
          access_token: token,
          expires_in: expiresIn,
          issued_at: new Date(now * 1000).toISOString(),
          ...(grant.wantsRefreshToken && grant.account !== undefined ? { refresh_token: refreshToken } : {}),
        }),
      );
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    realm: `http://127.0.0.1:${address.port}/token`,
    service,
    issuer,
    certificateFile,
    requests,
    refreshToken,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

function judge(
  request: IncomingMessage,
  form: URLSearchParams,
  account: TokenServiceOptions,
  refreshToken: string,
): Grant {
  const query = new URL(request.url ?? "/", "http://localhost").searchParams;
  const isKnown = (username: string, password: string): boolean =>
    username === account.username && password === account.password;
  if (request.method === "POST") {
    const base = {
      scopes: (form.get("scope") ?? "").split(" ").filter((scope) => scope !== ""),
      wantsRefreshToken: form.get("access_type") === "offline",
    };
    if (form.get("grant_type") === "refresh_token")
      return {
        ...base,
        grant: "refresh_token",
        account: account.username,
        isAllowed: form.get("refresh_token") === refreshToken,
      };
    const username = form.get("username") ?? "";
    return {
      ...base,
      grant: "password",
      account: username,
      isAllowed: isKnown(username, form.get("password") ?? ""),
    };
  }
  const base = {
    scopes: query.getAll("scope").flatMap((scope) => scope.split(" ")),
    wantsRefreshToken: query.get("offline_token") === "true",
  };
  const [scheme, encoded = ""] = (request.headers.authorization ?? "").split(" ");
  if (scheme?.toLowerCase() !== "basic")
    return { ...base, grant: "anonymous", account: undefined, isAllowed: true };
  const decoded = Buffer.from(encoded, "base64").toString();
  const colon = decoded.indexOf(":");
  const username = decoded.slice(0, colon);
  return {
    ...base,
    grant: "basic",
    account: username,
    isAllowed: isKnown(username, decoded.slice(colon + 1)),
  };
}

/** `repository:library/x:pull,push` → what of it is allowed. */
function accessOf(scope: string, allowed: readonly string[]): object[] {
  const match = /^([^:]+):(.+):([^:]*)$/.exec(scope);
  if (match === null) return [];
  const [, type, name, wanted = ""] = match;
  return [{ type, name, actions: wanted.split(",").filter((action) => allowed.includes(action)) }];
}

function signToken(claims: object, key: KeyObject, certificate: string): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${encode({ typ: "JWT", alg: "ES256", x5c: [certificate] })}.${encode(claims)}`;
  const signature = sign("sha256", Buffer.from(signed), { key, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return new URLSearchParams(text);
}
