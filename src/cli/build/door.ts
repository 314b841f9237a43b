import type { BuildDoor } from "../../build-request/index.ts";
import type { EngineClient } from "../client/index.ts";

/** The way to the engine of the command line. */
export function buildDoor(engine: EngineClient, signal?: AbortSignal): BuildDoor {
  return {
    isHere: engine.address.kind === "unix",
    async post(headers, body) {
      const options = { headers, body, ...(signal === undefined ? {} : { signal }) };
      return (await engine.request("POST", "/ply/build", options)).body;
    },
  };
}
