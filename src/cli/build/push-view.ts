import { createDisplay, type TransferDisplay } from "../progress/index.ts";
import type { Stdio } from "../terminal/index.ts";
import type { BuildView } from "./view.ts";

/** The same view; when the steps are done, pushes are shown as `ply push` shows them. */
export function showingPushes(view: BuildView, stdio: Stdio): BuildView {
  let display: TransferDisplay | undefined;
  return {
    get failed() {
      return view.failed;
    },
    outputOf: (step) => view.outputOf(step),
    show(message) {
      if (message.type === "push") {
        if (display === undefined) view.close();
        display ??= createDisplay({ stdio, stream: "stderr" });
        display.update("push", message.progress);
      } else if (display === undefined) view.show(message);
    },
    close() {
      if (display === undefined) view.close();
      else display.close();
    },
  };
}
