import { PlyError } from "../error.ts";
import { decodeBuildAnswer, type PlyBuildAnswer, type PlyBuildRequest } from "../wire/index.ts";
import { isLocal, type PreparedBuild } from "./context.ts";
import { type BuildDoor, type BuildRequestFields, sendBuild } from "./send.ts";

/** What a Dockerfile can be asked instead of being built. */
export type BuildCall = NonNullable<PlyBuildRequest["call"]>;

/** Files are not asked about: of contexts of this host only the ignore rules are sent. */
export async function askAbout<Call extends BuildCall>(
  door: BuildDoor,
  prepared: PreparedBuild,
  request: BuildRequestFields,
  call: Call,
): Promise<Extract<PlyBuildAnswer, { readonly type: Call }>> {
  const { main, named } = prepared;
  const asked: PreparedBuild = {
    ...prepared,
    main: isLocal(main) ? { kind: "none" } : main,
    named: new Map(
      [...named].map(([name, each]) => [name, isLocal(each) ? { kind: "none" } : each] as const),
    ),
  };
  const rules = isLocal(main) && main.rules !== undefined ? { ignore: main.rules } : {};
  const answer = await sendBuild(door, asked, { request: { ...request, ...rules, call }, headers: {} });
  for await (const message of decodeBuildAnswer(answer))
    if (message.type === call) return message as Extract<PlyBuildAnswer, { readonly type: Call }>;
  throw new PlyError("unavailable", "the engine did not answer what was asked");
}
