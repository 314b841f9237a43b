import { command } from "../command.ts";
import { DONE } from "../output/index.ts";

export default command({
  args: { usage: "", min: 0, max: 0 },
  flags: {},
  description:
    "What an ssh:// address runs on the other machine: standard input and output become the engine's socket. Docker's client runs it as 'docker system dial-stdio': a link named docker to ply serves it.",
  examples: [["ssh build-host ply system dial-stdio", "the API of the engine over there"]],
  async run(context) {
    const connection = await context.connect();
    const input = async (): Promise<void> => {
      try {
        for await (const chunk of context.stdio.input()) await connection.write(chunk);
        connection.closeWrite();
      } catch {
        // The engine closed the connection: the end of the output tells.
      }
    };
    void input();
    for (;;) {
      const chunk = await connection.read();
      if (chunk === undefined) return DONE;
      await context.stdio.writeBytes("stdout", chunk);
    }
  },
});
