import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { importBusybox } from "../support/busybox.ts";
import { freePort } from "../support/free-port.ts";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { type Ran, until } from "../support/process.ts";

const skip = unless("root", "docker");

describe("a web server with an empty root", { skip }, () => {
  let engine: TestEngine;
  let pages: string;
  before(async () => {
    engine = await startEngine();
    pages = mkdtempSync(join(tmpdir(), "ply-pages-"));
    mkdirSync(join(pages, "news"));
    writeFileSync(join(pages, "index.html"), "<h1>Front</h1>");
    writeFileSync(join(pages, "news/today.html"), "<p>It works.</p>");
    await importBusybox(engine);
  });
  after(async () => {
    await engine[Symbol.asyncDispose]();
    rmSync(pages, { recursive: true, force: true });
  });

  for (const client of ["ply", "docker"] as const)
    test(`gets pages by cp, is committed and serves them, by ${client}`, async () => {
      const call = async (...args: string[]): Promise<string> => {
        const { code, stdout, stderr }: Ran = await engine[client](args);
        assert.equal(code, 0, `${client} ${args.join(" ")}: ${stderr}`);
        return stdout.trim();
      };
      const image = `web-${client}:1`;
      const port = await freePort();
      const serve = (from: string, name: string) =>
        call(
          ...["run", "-d", "--name", name, "--network", "host", "--stop-signal", "KILL", from],
          "busybox",
          "httpd",
          "-f",
          "-p",
          `127.0.0.1:${port}`,
          "-h",
          "/www",
        );
      const get = async (path: string): Promise<string> => {
        const answer = await until("the server answers", () =>
          fetch(`http://127.0.0.1:${port}${path}`).catch(() => undefined),
        );
        return `${answer.status} ${(await answer.text()).replaceAll(/\s+/g, " ").slice(0, 40)}`;
      };
      await call("run", "--name", "empty", "--network", "none", "bb:1", "mkdir", "/www");
      await call("commit", "empty", `empty-${client}:1`);
      await serve(`empty-${client}:1`, "draft");
      assert.match(await get("/"), /^404 /);

      // Into the running server; it shows at once.
      await call("cp", `${pages}/.`, "draft:/www");
      assert.equal(await get("/"), "200 <h1>Front</h1>");
      assert.equal(await get("/news/today.html"), "200 <p>It works.</p>");
      await call("commit", "-m", "pages", "-c", "LABEL site=news", "draft", image);
      await call("rm", "-f", "draft", "empty");

      await serve(image, "site");
      assert.equal(await get("/index.html"), "200 <h1>Front</h1>");
      assert.equal(await get("/news/today.html"), "200 <p>It works.</p>");
      assert.equal(await call("inspect", "-f", "{{.Config.Labels.site}}", image), "news");
      assert.equal(await call("diff", "site"), "");
      assert.match(
        await call("images", "--format", "{{.Repository}}:{{.Tag}}"),
        new RegExp(`^${image}$`, "m"),
      );
      await call("rm", "-f", "site");
    });
});
