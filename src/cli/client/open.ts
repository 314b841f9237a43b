import { codeOf, messageOf, PlyError } from "../../error.ts";
import type { ChosenAddress, EngineAddress } from "./address.ts";
import { connect } from "./connect.ts";
import type { Connection } from "./connection.ts";

/**
 * Connects to the engine that was chosen. Where nobody listens on the default socket, `start` is asked to run one
 * first; an address that was named is taken as it is. Throws "unavailable" with what to do.
 */
export async function openConnection(
  chosen: ChosenAddress,
  start: (address: EngineAddress & { kind: "unix" }) => Promise<void>,
): Promise<Connection> {
  const { address, explicit } = chosen;
  try {
    return await connect(address);
  } catch (cause) {
    if (explicit || address.kind !== "unix" || !isAbsent(cause)) throw cannotConnect(address, cause);
  }
  await start(address);
  try {
    return await connect(address);
  } catch (cause) {
    throw cannotConnect(address, cause);
  }
}

/** Nobody listens there: the file is not there, or is left from an engine that is gone. */
export function isAbsent(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ECONNREFUSED" || code === "FailedToOpenSocket";
}

function cannotConnect(address: EngineAddress, cause: unknown): PlyError {
  if (codeOf(cause) === "EACCES" || codeOf(cause) === "EPERM")
    return new PlyError("denied", `permission denied on the ply engine's socket ${address.text}`, {
      hint: "use sudo, or run an engine of your own: ply serve",
      cause,
    });
  if (cause instanceof PlyError) return cause;
  const why = isAbsent(cause) ? "" : ` (${messageOf(cause)})`;
  if (address.kind === "ssh")
    return new PlyError(
      "unavailable",
      `cannot reach the ply engine by ${address.text}: ${messageOf(cause)}`,
      {
        hint: "ply must be on the PATH there, and ssh must get through without a question",
        cause,
      },
    );
  return new PlyError(
    "unavailable",
    `Cannot connect to the ply engine at ${address.text}. Is it running?${why}`,
    {
      hint: `start it with: ply serve -H ${address.text}`,
      cause,
    },
  );
}
