import { PlyError } from "../error.ts";

/** Credentials as Docker's clients send them: `X-Registry-Auth` (base64url JSON), or the body of `POST /auth`. */
export interface AuthConfig {
  readonly username?: string;
  readonly password?: string;
  /** base64 of `username:password`. */
  readonly auth?: string;
  readonly serveraddress?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** Credentials by registry host, as `X-Registry-Config` carries them (Docker: `/build`; ply: `/ply/images/pull`). */
export type AuthConfigs = Readonly<Record<string, AuthConfig>>;

export const REGISTRY_CONFIG_HEADER = "X-Registry-Config";

/** The header's value. */
export function encodeAuthHeader(auth: AuthConfig | AuthConfigs): string {
  return Buffer.from(JSON.stringify(auth)).toString("base64url");
}

/** What is in the header: an object of strings, or of such objects. An empty header is an empty object; throws "invalid". */
export function decodeAuthHeader(header: string): Readonly<Record<string, unknown>> {
  if (header === "") return {};
  try {
    const text = Buffer.from(header, "base64url").toString("utf8").trim();
    const value: unknown = text === "" ? {} : JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
    // Docker's own clients send the JSON text `null` or `""` when they have nothing.
    if (value === null || value === "") return {};
  } catch {
    // Neither the text nor the parser's words may reach a log: they hold the password.
  }
  throw new PlyError("invalid", "invalid X-Registry-Auth header: not base64url-encoded JSON");
}
