import { chmodSync, chownSync, writeFileSync } from "node:fs";
import type { RunMount } from "../../dockerfile/index.ts";
import { PlyError } from "../../error.ts";
import type { StepInput } from "../cache/cache.ts";
import { openAgentSocket } from "./agent-socket.ts";
import type { MountContext, MountPlan } from "./mount-plan.ts";

/** `--mount=type=secret`: a file in memory, a variable, or both. */
export function planSecret(
  { work, target }: MountContext,
  mount: Extract<RunMount, { type: "secret" }>,
): MountPlan {
  const value = work.session.options.secrets?.get(mount.id);
  // That it is wanted, and where, belongs to the step; what it says, and whether there is one, does not.
  const inputs: StepInput[] = [["mount", JSON.stringify(mount)]];
  if (value === undefined) {
    if (mount.required)
      throw new PlyError("invalid", `secret ${mount.id}: not found`, {
        hint: `give it: --secret id=${mount.id},src=FILE or --secret id=${mount.id},env=NAME`,
      });
    return { inputs, open: () => ({}) };
  }
  return {
    inputs,
    open(places) {
      const env = mount.env === undefined ? [] : [[mount.env, Buffer.from(value).toString("utf8")] as const];
      if (mount.target === undefined) return { env };
      const source = places.fresh("secrets");
      writeFileSync(source, value, { mode: 0o600, flag: "wx" });
      chownSync(source, mount.uid, mount.gid);
      chmodSync(source, mount.mode);
      return { mount: { kind: "bind", source, target, readOnly: true }, env };
    },
  };
}

/** `--mount=type=ssh`: a way to an agent. */
export function planAgent(
  { work, n, target: given }: MountContext,
  mount: Extract<RunMount, { type: "ssh" }>,
): MountPlan {
  const agent = work.session.options.ssh?.get(mount.id);
  const inputs: StepInput[] = [["mount", JSON.stringify(mount)]];
  if (agent === undefined) {
    if (mount.required) throw new PlyError("invalid", `unset ssh forward key ${mount.id}`);
    return { inputs, open: () => ({}) };
  }
  const target = mount.target === undefined ? `/run/buildkit/ssh_agent.${n}` : given;
  return {
    inputs,
    async open(places) {
      const socket = places.stack.use(await openAgentSocket(places.fresh("secrets"), { agent, ...mount }));
      return {
        mount: { kind: "bind", source: socket.path, target, readOnly: false },
        env: [["SSH_AUTH_SOCK", target]],
      };
    },
  };
}
