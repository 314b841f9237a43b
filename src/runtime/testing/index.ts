export { makeBusyboxRoot } from "./busybox-root.ts";
