import type { PlyDoctorReport } from "../wire/index.ts";
import { type Exchange, sendJson } from "./exchange.ts";
import type { ApiRoute, Service } from "./service.ts";

export const doctorRoutes: readonly ApiRoute[] = [{ method: "GET", path: "/ply/doctor", handler: doctor }];

async function doctor(exchange: Exchange, { engine }: Service): Promise<void> {
  const checks = await engine.examine();
  const body: PlyDoctorReport = { ok: checks.every(({ state }) => state !== "broken"), checks };
  sendJson(exchange, 200, body);
}
