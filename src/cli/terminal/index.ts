export * from "./stdio.ts";
export * from "./tty.ts";
