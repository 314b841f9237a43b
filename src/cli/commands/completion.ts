import { command } from "../command.ts";
import { completionScript, type Shell } from "../completion/scripts.ts";
import type { Output } from "../output/index.ts";

const SHELLS = ["bash", "zsh", "fish"] as const satisfies readonly Shell[];

export default command({
  args: { usage: "bash|zsh|fish", min: 1, max: 1, complete: "none" },
  flags: {},
  description: "Completes commands, flags, and the names of images and containers.",
  examples: [
    ["source <(ply completion bash)", "bash, now; in ~/.bashrc for always"],
    ["ply completion zsh > ~/.zfunc/_ply", "zsh, with ~/.zfunc in fpath"],
    ["ply completion fish > ~/.config/fish/completions/ply.fish", "fish"],
  ],
  async run(_context, _flags, [shell = ""]): Promise<Output> {
    const known = SHELLS.find((each) => each === shell);
    if (known === undefined) {
      const { UsageError } = await import("../failure.ts");
      throw new UsageError(`unknown shell ${JSON.stringify(shell)}: bash, zsh and fish are known`, 1);
    }
    return { kind: "lines", lines: [completionScript(known)] };
  },
});
