import { command } from "../command.ts";
import { lines } from "../output/index.ts";
import { attachPlan } from "./attach-flag.ts";
import { CONTAINER_FLAGS, createContainer, createRequest, reserveCidFile } from "./container-flags.ts";

export default command({
  args: { usage: "IMAGE [COMMAND] [ARG...]", min: 1, complete: "image", stopsFlags: true },
  flags: CONTAINER_FLAGS,
  failureCode: 125,
  async run(context, flags, args) {
    const recordId = await reserveCidFile(flags.cidfile);
    const size = flags.tty ? context.stdio.size("stdin") : undefined;
    const attach = attachPlan(flags, { detach: false });
    const id = await createContainer(
      context,
      flags,
      createRequest(flags, args, { attach, env: context.env, size }),
    );
    recordId(id);
    return lines(id);
  },
});
