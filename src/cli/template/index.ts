export { TemplateError } from "./error.ts";
export { parseTemplate, type Template } from "./parse.ts";
export { runTemplate } from "./run.ts";
