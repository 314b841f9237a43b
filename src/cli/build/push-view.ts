import type { PlyBuildMessage } from "../../wire/index.ts";
import { printable } from "../output/width.ts";
import { createDisplay, type TransferDisplay } from "../progress/index.ts";
import type { Stdio } from "../terminal/index.ts";
import { paintOf } from "./paint.ts";
import type { BuildView } from "./view.ts";
import { warningLines } from "./warnings.ts";

/** The same view; when the steps are done, pushes of images and caches are shown as `ply push` shows them, one below the other. */
export function showingPushes(view: BuildView, stdio: Stdio): BuildView {
  let display: TransferDisplay | undefined;
  /** What pushes of a cache warn of. */
  const late: Extract<PlyBuildMessage, { readonly type: "warning" }>[] = [];
  return {
    get failed() {
      return view.failed;
    },
    outputOf: (step) => view.outputOf(step),
    show(message) {
      if (message.type === "push") {
        if (display === undefined) view.close();
        display ??= createDisplay({ stdio, stream: "stderr" });
        const { progress } = message;
        // A line that is about no layer begins or ends a push: what it is about stays with it.
        if (progress.kind === "message" && progress.id === undefined)
          display.settle("push", [printable(progress.text)]);
        else display.update("push", progress);
      } else if (display === undefined) view.show(message);
      else if (message.type === "warning") late.push(message);
    },
    close() {
      if (display === undefined) return view.close();
      display.close();
      for (const line of warningLines(late, paintOf({ NO_COLOR: "1" }))) stdio.err(`${line}\n`);
      late.length = 0;
    },
  };
}
