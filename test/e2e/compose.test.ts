import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { run } from "../support/process.ts";

const STACK = `
version: "2.4"
services:
  web:
    image: bb:1
    command: ["sh", "-c", "echo started; exec sleep 1000"]
    networks:
      front:
      back:
        aliases: [www]
    volumes: ["data:/data"]
    ports: ["127.0.0.1::80"]
    depends_on: [db]
    stop_grace_period: 0s
  db:
    image: bb:1
    command: ["sleep", "1000"]
    networks:
      back:
        ipv4_address: 10.214.3.7
    labels: { role: store }
    stop_grace_period: 0s
networks:
  front:
  back:
    internal: true
    ipam:
      config: [{ subnet: 10.214.3.0/24 }]
volumes:
  data:
`;

describe("docker-compose 1.29", {
  skip: unless("root", "crun", "conmon", "docker", "docker-compose", "nft"),
}, () => {
  let engine: TestEngine;
  let folder: string;
  before(async () => {
    engine = await startEngine();
    await importBusybox(engine);
    folder = mkdtempSync(join(tmpdir(), "ply-compose-"));
    writeFileSync(join(folder, "docker-compose.yml"), STACK);
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const compose = async (...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run("docker-compose", ["-p", "shop", ...words], {
      cwd: folder,
      env: { DOCKER_HOST: engine.host, HOME: folder, COMPOSE_ANSI: "never" },
    });
    assert.equal(code, 0, `${words.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  };
  const docker = async (...words: string[]): Promise<string[]> => {
    const { code, stdout, stderr } = await engine.docker(words);
    assert.equal(code, 0, stderr);
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .sort();
  };
  /** How many addresses a container finds behind a name. */
  const lookup = async (container: string, name: string): Promise<number> => {
    const { stdout } = await engine.docker(["exec", container, "busybox", "nslookup", "-type=a", name]);
    return (
      stdout
        .split("\n\n")
        .slice(1)
        .join("\n")
        .match(/^Address/gm)?.length ?? 0
    );
  };

  test("a stack of two services: up, scaled, found by name, seen, changed, down without a trace", async () => {
    await compose("up", "-d", "--scale", "web=3");
    assert.deepEqual(await docker("ps", "--format", "{{.Names}}"), [
      "shop_db_1",
      "shop_web_1",
      "shop_web_2",
      "shop_web_3",
    ]);
    assert.deepEqual(await docker("network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"), [
      "shop_back",
      "shop_front",
    ]);
    const found = ["web", "www", "shop_web_2"].map((name) => lookup("shop_db_1", name));
    assert.deepEqual(await Promise.all(found), [3, 3, 1]);
    assert.match(
      await compose("exec", "-T", "web", "busybox", "ping", "-c1", "-W5", "db"),
      /10\.214\.3\.7.* 0% packet loss/s,
    );
    assert.match(await compose("ps"), /shop_web_2 .* Up +127\.0\.0\.1:\d+->80\/tcp/);
    assert.match(await compose("port", "--index=3", "web", "80"), /^127\.0\.0\.1:\d+\n$/);
    assert.match(await compose("logs", "--no-color", "web"), /web_3 +\| started/);

    // What has not changed runs on.
    const before = await docker("ps", "-q", "--filter", "name=_1$");
    await compose("up", "-d", "--scale", "web=1");
    assert.deepEqual(await docker("ps", "-q"), before);
    await compose("restart", "-t", "0", "web");
    assert.deepEqual([await lookup("shop_web_1", "db"), await lookup("shop_db_1", "web")], [1, 1]);

    await compose("down", "-v");
    assert.deepEqual(await docker("ps", "-aq"), []);
    assert.deepEqual(await docker("network", "ls", "--filter", "type=custom", "-q"), []);
    assert.deepEqual(await docker("volume", "ls", "-q"), []);
  });
});
