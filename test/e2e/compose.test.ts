import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { composeOfSid } from "../support/debian.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { run } from "../support/process.ts";

/** The beginning of a subnet that no other run on this host has, one that was killed included. */
const BACK = `10.214.${process.pid % 250}`;

/** `db` is healthy from its third check on, and `web` ends at once where it is started before that. */
const STACK = `
version: "2.4"
services:
  web:
    build:
      context: web
      target: final
      args: { GREETING: hello }
    networks:
      front:
      back:
        aliases: [www]
    volumes: ["data:/data", "./web:/source:ro"]
    ports: ["127.0.0.1::80"]
    depends_on:
      db: { condition: service_healthy }
    stop_grace_period: 0s
  worker:
    image: bb:1
    command: ["sh", "-c", "echo worked >/data/work; exec sleep 1000"]
    volumes: ["data:/data"]
    depends_on:
      web: { condition: service_started }
    stop_grace_period: 0s
  db:
    image: bb:1
    command: ["sh", "-c", "busybox mkdir /www; exec busybox httpd -f -h /www"]
    healthcheck:
      test: ["CMD-SHELL", "echo >>/checks; [ $$(busybox wc -l </checks) -ge 3 ] && echo yes >/www/ready"]
      interval: 100ms
      retries: 100
    networks:
      back:
        ipv4_address: ${BACK}.7
    labels: { role: store }
    stop_grace_period: 0s
networks:
  front:
  back:
    internal: true
    ipam:
      config: [{ subnet: ${BACK}.0/24 }]
volumes:
  data:
`;
const DOCKERFILE = `
FROM bb:1 AS final
ARG GREETING=none
COPY page /www/page
RUN echo $GREETING >>/www/page
CMD ["sh", "-c", "busybox wget -q -O- http://db/ready && exec busybox httpd -f -h /www"]
FROM final AS unwanted
RUN false
`;

interface Compose {
  readonly title: string;
  readonly program: () => Promise<string>;
  /** Between the words of a container's name. */
  readonly dash: string;
}

const VERSIONS: readonly Compose[] = [
  { title: "docker-compose 1.29", program: async () => "docker-compose", dash: "_" },
  { title: "docker compose 2", program: composeOfSid, dash: "-" },
];

for (const { title, program, dash } of VERSIONS) {
  describe(title, {
    skip: unless("root", "crun", "conmon", "docker", "docker-compose", "nft"),
  }, () => {
    let engine: TestEngine;
    let folder: string;
    let composeProgram: string;
    before(async () => {
      composeProgram = await program();
      engine = await startEngine();
      await importBusybox(engine);
      folder = mkdtempSync(join(tmpdir(), "ply-compose-"));
      writeFileSync(join(folder, "docker-compose.yml"), STACK);
      mkdirSync(join(folder, "web"));
      writeFileSync(join(folder, "web/Dockerfile"), DOCKERFILE);
      writeFileSync(join(folder, "web/page"), "a page\n");
    });
    after(async () => {
      await engine[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    const compose = async (...words: string[]): Promise<string> => {
      const { code, stdout, stderr } = await run(composeProgram, ["-p", "shop", ...words], {
        cwd: folder,
        // Without it the second version wants a BuildKit of its own.
        env: { DOCKER_HOST: engine.host, HOME: folder, COMPOSE_ANSI: "never", DOCKER_BUILDKIT: "0" },
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

    test("a stack: built, up in order, scaled, found by name, seen, changed, down without a trace", async () => {
      const named = (service: string, index = 1) => ["shop", service, index].join(dash);
      await compose("up", "-d", "--build", "--scale", "web=3");
      const containers = [named("db"), named("web", 1), named("web", 2), named("web", 3), named("worker")];
      assert.deepEqual(await docker("ps", "--format", "{{.Names}}"), containers);
      assert.deepEqual(await docker("inspect", "-f", "{{.State.Health.Status}}", named("db")), ["healthy"]);
      assert.deepEqual(await docker("network", "ls", "--filter", "type=custom", "--format", "{{.Name}}"), [
        "shop_back",
        "shop_default",
        "shop_front",
      ]);
      const found = ["web", "www", named("web", 2)].map((name) => lookup(named("db"), name));
      assert.deepEqual(await Promise.all(found), [3, 3, 1]);
      const seen = "busybox wget -q -O- http://web/page; cat /data/work; ls /source; busybox ping -c1 -W5 db";
      assert.match(
        await compose("exec", "-T", "web", "sh", "-c", seen),
        new RegExp(`^a page\nhello\nworked\nDockerfile\npage\n.*${BACK}.7.* 0% packet loss`, "s"),
      );
      assert.match(
        await compose("ps"),
        new RegExp(`${named("web", 2)} .* Up .*127\\.0\\.0\\.1:\\d+->80/tcp`),
      );
      const published = await compose("port", "--index=3", "web", "80");
      assert.match(published, /^127\.0\.0\.1:\d+\n$/);
      assert.equal(await (await fetch(`http://${published.trim()}/page`)).text(), "a page\nhello\n");
      assert.match(await compose("logs", "--no-color", "web"), new RegExp(`web${dash}3 +\\| yes`));

      // What has not changed runs on.
      const before = await docker("ps", "-q", "--filter", `name=${dash}1$`);
      await compose("up", "-d", "--scale", "web=1");
      assert.deepEqual(await docker("ps", "-q"), before);
      await compose("restart", "-t", "0", "web");
      assert.deepEqual([await lookup(named("web"), "db"), await lookup(named("db"), "web")], [1, 1]);

      await compose("down", "-v", "--rmi", "all");
      assert.deepEqual(await docker("ps", "-aq"), []);
      assert.deepEqual(await docker("network", "ls", "--filter", "type=custom", "-q"), []);
      assert.deepEqual(await docker("volume", "ls", "-q"), []);
      assert.deepEqual(await docker("images", "-q"), []);
    });
  });
}
