export { openSessions } from "./open-sessions.ts";
export type { Owned, Session, Sessions, SessionsOptions } from "./sessions.ts";
