import type { PlyBuildMessage } from "../../wire/index.ts";
import type { StepState } from "./step-state.ts";

/** How messages are shown. */
export interface Face {
  show(message: PlyBuildMessage, state: StepState | undefined): void;
  close(): void;
}
