/** `--format` of commands that list things. */
export const LIST_FORMAT_FLAG = {
  kind: "string",
  value: "FORMAT",
  help: "'table', 'table TEMPLATE', 'json', or a Go template: '{{.ID}} {{.Size}}'",
} as const;

/** `--format` of commands that show one thing. */
export const OBJECT_FORMAT_FLAG = {
  kind: "string",
  short: "f",
  value: "FORMAT",
  help: "'json', or a Go template: '{{.Id}}', '{{json .Config}}'",
} as const;
