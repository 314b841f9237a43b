import type { DockerAuthResponse } from "../../wire/index.ts";
import { command } from "../command.ts";
import { ExitError, UsageError } from "../failure.ts";
import { lines } from "../output/index.ts";
import type { Stdio } from "../terminal/index.ts";
import { HUB_HOST, HUB_KEY, registryHost } from "./registry-host.ts";

const MAX_PASSWORD_BYTES = 64 * 1024;

export default command({
  args: { usage: "[REGISTRY]", min: 0, max: 1 },
  flags: {
    username: { kind: "string", short: "u", value: "NAME", help: "User name" },
    password: {
      kind: "string",
      short: "p",
      value: "PASSWORD",
      help: "Password or access token (others may see it here)",
    },
    "password-stdin": { kind: "bool", help: "Read the password from stdin" },
  },
  description:
    "Without a registry: Docker Hub. The engine checks the credentials with the registry; they are kept with the user, in ~/.docker/config.json or the credential store named there, where Docker finds them too.",
  examples: [["pass show hub | ply login -u me --password-stdin", "without a prompt"]],
  async run(context, flags, [registry]) {
    const { stdio } = context;
    const host = registryHost(registry);
    if (flags["password-stdin"] && flags.password !== undefined)
      throw new UsageError("--password and --password-stdin are mutually exclusive", 1);
    if (flags["password-stdin"] && flags.username === undefined)
      throw new UsageError("Must provide --username with --password-stdin", 1);
    if (flags.password !== undefined)
      stdio.err("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
    const username = flags.username ?? (await ask(stdio, "Username: "));
    const password = flags["password-stdin"]
      ? await readPassword(stdio)
      : (flags.password ?? (await ask(stdio, "Password: ", { hidden: true })));
    if (username === "" || password === "")
      throw new ExitError(1, "Error: user name and password are both needed");
    const answer = await context.engine.json<DockerAuthResponse>("POST", "/auth", {
      json: { username, password, serveraddress: host === HUB_HOST ? HUB_KEY : host },
    });
    const { storeCredentials } = await import("../../registry/index.ts");
    const token = answer?.IdentityToken;
    const { where, place } = await storeCredentials(
      host,
      token === undefined || token === "" ? { username, password } : { username, identityToken: token },
      { env: context.env },
    );
    if (where === "file")
      stdio.err(
        `WARNING! Your credentials are stored unencrypted in '${place}'.\nSet credsStore or credHelpers there to keep them in a keychain.\n`,
      );
    return lines(answer?.Status || "Login Succeeded");
  },
});

async function ask(
  stdio: Stdio,
  prompt: string,
  options: { readonly hidden?: boolean } = {},
): Promise<string> {
  if (!stdio.isTerminal("stdin"))
    throw new ExitError(
      1,
      "Error: Cannot perform an interactive login from a non TTY device: use -u and --password-stdin",
    );
  stdio.err(prompt);
  const line = await stdio.readLine(options);
  if (options.hidden === true) stdio.err("\n");
  if (line === undefined) throw new ExitError(1, "\nError: no input");
  return line;
}

/** All of stdin; the line break that `echo` adds is no part of a password. */
async function readPassword(stdio: Stdio): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stdio.input()) {
    bytes += chunk.length;
    if (bytes > MAX_PASSWORD_BYTES) throw new ExitError(1, "Error: the password on stdin is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
}
