import { parentPort } from "node:worker_threads";
import { messageOf } from "../../error.ts";
import { createDoors } from "./doors.ts";
import { createForwarder } from "./forward.ts";
import type { Command, Reply } from "./message.ts";
import { openHostServers } from "./resolv-conf.ts";
import { exchange } from "./upstream.ts";

// A thread of its own: a container that asks without end takes nothing from the API.
const doors = createDoors({ forwarder: createForwarder({ exchange }), hostServers: openHostServers() });

function reply(message: Reply): void {
  parentPort?.postMessage(message);
}

parentPort?.on("message", (command: Command) => {
  if (command.type === "stop") doors.close(command.container);
  else
    doors.open(command.served).then(
      () => reply({ ticket: command.ticket }),
      (error: unknown) => reply({ ticket: command.ticket, problem: messageOf(error) }),
    );
});
