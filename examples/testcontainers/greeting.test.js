import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { engine } from "./engine.js";

const { GenericContainer, Wait } = await import("testcontainers");

/** The tests run without a network, too: the image is made of a root file system, `ROOTFS`, or pulled. */
const IMAGE = process.env.IMAGE ?? "docker.io/library/busybox:1.37";

before(async () => {
  const { images } = engine.client;
  if (process.env.ROOTFS === undefined) return images.ensure(IMAGE);
  await images.import([readFileSync(process.env.ROOTFS)], { name: IMAGE, changes: ['CMD ["sh"]'] });
});

after(() => engine.close());

test("a web server answers", async () => {
  const container = await new GenericContainer(IMAGE)
    .withCommand(["httpd", "-f", "-v", "-p", "8080", "-h", "/www"])
    .withCopyContentToContainer([{ content: "hello from a container", target: "/www/index.html" }])
    .withExposedPorts(8080)
    .withWaitStrategy(Wait.forHttp("/index.html", 8080))
    .start();
  const response = await fetch(`http://${container.getHost()}:${container.getMappedPort(8080)}/index.html`);
  assert.equal(await response.text(), "hello from a container");

  const { output, exitCode } = await container.exec(["cat", "/www/index.html"]);
  assert.deepEqual({ output, exitCode }, { output: "hello from a container", exitCode: 0 });
  // Not stopped: what a test forgets goes with the engine.
});
