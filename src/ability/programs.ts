import { openIsal } from "../linux/index.ts";
import { findInit, findProgram, runProgram } from "../runtime/index.ts";
import type { Ability } from "./ability.ts";

/** The programs that ply has others do work with; each is started, to see that it does. */
export async function probePrograms(): Promise<Ability[]> {
  const [crun, runc, conmon, unshare, init] = await Promise.all([
    versionOf("crun"),
    versionOf("runc"),
    versionOf("conmon"),
    versionOf("unshare"),
    findInit(),
  ]);
  return [
    runtimes(crun, runc),
    row("conmon", conmon, {
      state: "broken",
      cost: "no container can run: conmon holds their terminals and exit codes",
      cure: "apt-get install conmon",
    }),
    row("unshare", unshare, {
      state: "limited",
      cost: "no user namespaces (--userns)",
      cure: "apt-get install util-linux",
    }),
    row("init", init, {
      state: "limited",
      cost: "--init has no effect",
      cure: "apt-get install catatonit",
    }),
    row("ISA-L", openIsal() === undefined ? undefined : "libisal.so.2", {
      state: "limited",
      cost: "layers are inflated at a third and compressed at a quarter of the speed",
      cure: "apt-get install libisal2",
    }),
  ];
}

/** Path and version; undefined: it is not there, or does not run. */
async function versionOf(name: string): Promise<string | undefined> {
  const path = await findProgram(name);
  if (path === undefined) return undefined;
  const { exitCode, output } = await runProgram(path, ["--version"]);
  if (exitCode !== 0) return undefined;
  return `${path} ${/\d+(\.[\w+~-]+)+/.exec(output)?.[0] ?? ""}`.trim();
}

function runtimes(crun: string | undefined, runc: string | undefined): Ability {
  const lack =
    runc === undefined
      ? ({ state: "broken", cost: "no container can run: neither crun nor runc is there" } as const)
      : ({ state: "limited", cost: `${runc} is used: a start takes twice as long` } as const);
  return row("OCI runtime", crun, { ...lack, cure: "apt-get install crun" });
}

function row(
  name: string,
  found: string | undefined,
  lack: { readonly state: "limited" | "broken"; readonly cost: string; readonly cure: string },
): Ability {
  if (found !== undefined) return { area: "programs", name, state: "works", found };
  return { area: "programs", name, found: "not found", ...lack };
}
