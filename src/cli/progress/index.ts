export { createDisplay, type TransferDisplay } from "./display.ts";
