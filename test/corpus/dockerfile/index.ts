import { ADD_CASES } from "./add.ts";
import type { DockerfileCase } from "./case.ts";
import { COPY_CASES } from "./copy.ts";
import { LANGUAGE_CASES } from "./language.ts";
import { RUN_CASES } from "./run.ts";
import { SETTING_CASES } from "./settings.ts";
import { STAGE_CASES } from "./stages.ts";

export * from "./case.ts";

export const CASES: readonly DockerfileCase[] = [
  ...COPY_CASES,
  ...STAGE_CASES,
  ...SETTING_CASES,
  ...RUN_CASES,
  ...LANGUAGE_CASES,
  ...ADD_CASES,
];
