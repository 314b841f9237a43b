import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type BuildRoom, openBuildRoom } from "../support/build-room.ts";
import { unless } from "../support/needs.ts";

describe("flags of ply build", { skip: unless("root") }, () => {
  let room: BuildRoom;
  before(async () => {
    room = await openBuildRoom();
  });
  after(() => room[Symbol.asyncDispose]());

  test("checks are made for each platform, and what is found for several is told once", async () => {
    const directory = room.contextOf(`ARG TARGETARCH
FROM scratch AS for-amd64
ENV a b
FROM scratch AS for-arm64
ENV c d
FROM for-$TARGETARCH AS last
MAINTAINER me
`);
    const flags = ["--target", "last", "--platform", "linux/amd64,linux/arm64", directory];
    const both = ["build", "--call=check,format=json", ...flags];
    const { warnings } = JSON.parse((await room.engine.ply(both)).stdout) as {
      warnings: { location: { ranges: { start: { line: number } }[] } }[];
    };
    assert.deepEqual(
      warnings.map(({ location }) => location.ranges[0]?.start.line),
      [3, 5, 7],
    );
    const { stderr } = await room.engine.must(["build", "--output", "type=cacheonly", ...flags]);
    assert.deepEqual(
      [...stderr.matchAll(/^ - (\w+):.*\(line (\d)\)$/gm)].map((match) => match.slice(1).join(" ")),
      ["LegacyKeyValueFormat 3", "LegacyKeyValueFormat 5", "MaintainerDeprecated 7"],
    );
    const strict = room.contextOf(`# check=error=true
FROM scratch AS for-amd64
FROM scratch AS for-arm64
ENV c d
FROM for-$TARGETARCH
`);
    const refused = ["build", "--platform", "linux/amd64,linux/arm64", "-o", "type=cacheonly", strict];
    assert.match(
      (await room.engine.ply(refused)).stderr,
      /lint violation found for rules: LegacyKeyValueFormat/,
    );
  });
});
