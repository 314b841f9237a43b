import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { unless } from "../support/needs.ts";
import { startEngine, type TestEngine } from "../support/ply.ts";
import { type Ran, type RunOptions, run, until } from "../support/process.ts";
import { type RegistryFixture, startRegistry } from "../support/registry.ts";
import { busyboxMembers, tarball } from "../support/tarball.ts";

const CLIENTS = ["/usr/local/bin/docker", "/usr/bin/docker"];

for (const client of CLIENTS)
  describe(`the docker client ${client}`, {
    skip: unless("root", "docker-registry", `file:${client}`),
  }, () => {
    let engine: TestEngine;
    let registry: RegistryFixture;
    let scratch: string;
    const docker = (args: string[], options: RunOptions = {}): Promise<Ran> =>
      run(client, args, {
        ...options,
        env: { DOCKER_HOST: engine.host, DOCKER_CONFIG: join(scratch, "config"), ...options.env },
      });
    const ok = async (args: string[], options: RunOptions = {}): Promise<string> => {
      const ran = await docker(args, options);
      assert.equal(ran.code, 0, `docker ${args.join(" ")}: ${ran.stdout}${ran.stderr}`);
      return ran.stdout;
    };

    before(async () => {
      engine = await startEngine();
      registry = await startRegistry();
      scratch = mkdtempSync(join(tmpdir(), "ply-docker-"));
      await ok(["import", "-c", 'CMD ["sh"]', "-c", "LABEL team=red", "-m", "imported", "-", "bb:1"], {
        stdin: tarball(busyboxMembers()),
      });
    });
    after(async () => {
      await registry.stop();
      await engine[Symbol.asyncDispose]();
      rmSync(scratch, { recursive: true, force: true });
    });

    test("version and info", async () => {
      assert.match(
        await ok(["version", "--format", "{{.Server.APIVersion}} {{.Server.Os}}"]),
        /^1\.\d+ linux\n$/,
      );
      assert.match(
        await ok(["info", "--format", "{{.Driver}} {{.OSType}} {{.Swarm.LocalNodeState}}"]),
        /^erofs linux inactive\n$/,
      );
      assert.match(await ok(["info"]), /Storage Driver: erofs/);
    });

    test("images with filters and formats", async () => {
      assert.match(await ok(["images"]), /REPOSITORY\s+TAG\s+IMAGE ID/);
      assert.equal(
        await ok(["images", "--filter", "label=team=red", "--format", "{{.Repository}}:{{.Tag}}"]),
        "bb:1\n",
      );
      assert.equal(await ok(["images", "--filter", "label=team=blue", "-q"]), "");
      assert.equal(await ok(["images", "--filter", "reference=b?:1", "--format", "{{.Tag}}"]), "1\n");
      assert.match(await ok(["images", "--no-trunc", "-q", "bb"]), /^sha256:[0-9a-f]{64}\n$/);
      const bad = await docker(["images", "--filter", "nonsense=1"]);
      assert.match(bad.stderr, /invalid filter/);
    });

    test("inspect and history", async () => {
      const [image] = JSON.parse(await ok(["inspect", "bb:1"]));
      assert.match(image.Id, /^sha256:/);
      assert.equal(image.RootFS.Type, "layers");
      assert.equal(image.RootFS.Layers.length, 1);
      assert.deepEqual(image.Config.Cmd, ["sh"]);
      assert.ok(Date.parse(image.Metadata.LastTagTime) > 0);
      assert.match(await ok(["history", "bb:1"]), /imported/);
      assert.equal(await ok(["inspect", "--format", "{{.Config.Labels.team}}", "bb:1"]), "red\n");
      assert.match(
        (await docker(["tag", "bb:1", "sha256:12ab"])).stderr,
        /refusing to create an ambiguous tag/,
      );
      const missing = await docker(["image", "inspect", "nope"]);
      assert.match(missing.stderr, /No such image: nope/i);
    });

    test("tag, push, rmi, pull: the digest stays", async () => {
      const name = `${registry.host}/team/bb:1`;
      await ok(["tag", "bb:1", name]);
      const pushed = await ok(["push", name]);
      const digest = /digest: (sha256:[0-9a-f]{64}) size: \d+/.exec(pushed)?.[1];
      assert.ok(digest, pushed);
      assert.match(await ok(["rmi", name]), /Untagged: /);
      const pulled = await ok(["pull", name]);
      assert.ok(pulled.includes(`Digest: ${digest}`), pulled);
      assert.match(pulled, /Status: Downloaded newer image|Status: Image is up to date/);
      assert.match(await ok(["pull", name]), /Image is up to date/);
      assert.match(await ok(["pull", "-q", name]), /team\/bb:1\n$/);
      assert.match(await ok(["pull", `${registry.host}/team/bb@${digest}`]), /Status:/);
      assert.match(await ok(["images", "--digests"]), new RegExp(digest));
      await ok(["tag", "bb:1", `${registry.host}/team/bb:2`]);
      await ok(["push", "-a", `${registry.host}/team/bb`]);
      await ok(["rmi", "-f", name, `${registry.host}/team/bb:2`]);
      assert.match(await ok(["pull", "-a", `${registry.host}/team/bb`]), /2: Pulling|Pulling from/);
      assert.equal((await ok(["images", "-q", `${registry.host}/team/bb`])).trim().split("\n").length, 2);
      await ok(["rmi", "-f", name, `${registry.host}/team/bb:2`]);
    });

    test("pull of what is not there", async () => {
      const missing = await docker(["pull", `${registry.host}/no/such:1`]);
      assert.equal(missing.code, 1);
      assert.match(missing.stderr, /not found|manifest unknown|does not exist/);
      const invalid = await docker(["pull", "upper/Case"]);
      assert.match(invalid.stderr, /must be lowercase/);
    });

    test("save and load", async () => {
      const archive = join(scratch, "bb.tar");
      await ok(["save", "-o", archive, "bb:1"]);
      const again = (await docker(["save", "bb:1"])).bytes;
      assert.ok(readFileSync(archive).equals(again), "the same bytes twice");
      const id = (await ok(["images", "-q", "--no-trunc", "bb:1"])).trim();
      await ok(["rmi", "bb:1"]);
      assert.match(await ok(["load", "-i", archive]), /Loaded image: bb:1/);
      assert.equal((await ok(["images", "-q", "--no-trunc", "bb:1"])).trim(), id);
      const broken = await docker(["load"], { stdin: "this is no archive" });
      assert.notEqual(broken.code, 0);
    });

    test("run, ps, diff, commit, rm", async () => {
      const ran = await docker([
        "run",
        "--rm",
        "--network",
        "none",
        "bb:1",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 5",
      ]);
      assert.deepEqual([ran.code, ran.stdout, ran.stderr], [5, "out\n", "err\n"]);
      const piped = await docker(["run", "--rm", "-i", "--network", "host", "bb:1", "cat"], {
        stdin: "through\n",
      });
      assert.deepEqual([piped.code, piped.stdout], [0, "through\n"], piped.stderr);
      await ok(["run", "--name", "one", "--network", "none", "bb:1", "touch", "/new"]);
      assert.match(await ok(["ps", "-a", "--filter", "name=one"]), /Exited \(0\)/);
      assert.equal(await ok(["diff", "one"]), "A /new\n");
      assert.match(await ok(["commit", "-m", "msg", "one", "made:1"]), /^sha256:/);
      assert.match((await docker(["rmi", "bb:1"])).stderr, /conflict/);
      const [inspected] = JSON.parse(await ok(["inspect", "one"]));
      assert.equal(inspected.State.Status, "exited");
      assert.equal(inspected.Name, "/one");
      await ok(["rm", "one"]);
      await ok(["rmi", "made:1"]);
      const notFound = await docker(["run", "--rm", "--network", "none", "bb:1", "nope"]);
      assert.equal(notFound.code, 127, notFound.stderr);
    });

    test("events, system df, image prune", async () => {
      const since = String(Math.floor(Date.now() / 1000) - 1);
      await ok(["tag", "bb:1", "seen:1"]);
      await ok(["rmi", "seen:1"]);
      const events = await until("the events are there", async () => {
        const text = await ok([
          "events",
          "--since",
          since,
          "--until",
          String(Math.floor(Date.now() / 1000) + 1),
          "--format",
          "{{.Action}}",
          "--filter",
          "type=image",
        ]);
        return /untag/.test(text) ? text : undefined;
      });
      assert.match(events, /^tag$/m);
      assert.match(await ok(["system", "df"]), /Images\s+\d+/);
      assert.match(await ok(["system", "df", "-v"]), /bb/);
      assert.match(await ok(["image", "prune", "-f"]), /Total reclaimed space/);
      assert.match(
        await ok(["image", "prune", "-af", "--filter", "label=team=blue"]),
        /Total reclaimed space: 0B/,
      );
      assert.match(await ok(["images", "-q", "bb:1"]), /\w+/);
    });

    test("what goes with a platform is of that platform", async () => {
      const other = ["--platform", "linux/arm64"];
      await ok(["import", ...other, "-", "arm:1"], { stdin: tarball(busyboxMembers()) });
      assert.equal(await ok(["inspect", "--format", "{{.Architecture}}", "arm:1"]), "arm64\n");
      await ok(["tag", "arm:1", `${registry.host}/arm:1`]);
      await ok(["push", `${registry.host}/arm:1`]);
      const wrong = await docker(["pull", "--platform", "linux/amd64", `${registry.host}/arm:1`]);
      assert.match(wrong.stderr, /does not match the specified platform|no matching manifest/);
      await ok(["pull", ...other, `${registry.host}/arm:1`]);
      // The image is here, but not for this platform: so it is pulled, and then does not fit either.
      const run = await docker(["create", "--platform", "linux/amd64", `${registry.host}/arm:1`, "true"]);
      assert.notEqual(run.code, 0);
      assert.match(run.stderr, /does not match the specified platform|no matching manifest/);
      if (client === CLIENTS[0]) {
        for (const command of [["history"], ["image", "inspect"], ["save", "-o", join(scratch, "no.tar")]]) {
          const missing = await docker([...command, "--platform", "linux/amd64", "arm:1"]);
          assert.match(missing.stderr, /does not match the specified platform/, command.join(" "));
        }
        await ok(["save", ...other, "-o", join(scratch, "arm.tar"), "arm:1"]);
        const load = await docker(["load", "--platform", "linux/amd64", "-i", join(scratch, "arm.tar")]);
        assert.match(load.stderr, /no image for linux\/amd64/);
        const rm = await docker(["image", "rm", "--platform", "linux/amd64", "arm:1"]);
        assert.match(rm.stderr, /does not match the specified platform/);
      }
      await ok(["rmi", "arm:1", `${registry.host}/arm:1`]);
    });

    test("prune of everything that is not needed", async () => {
      await ok(["run", "--name", "done", "--network", "none", "bb:1", "touch", "/new"]);
      await ok(["commit", "done", "left:1"]);
      await ok(["import", "-", "left:1"], { stdin: tarball([{ name: "x", data: "x" }]) });
      const kept = await ok(["container", "prune", "-f", "--filter", "until=24h"]);
      assert.match(kept, /^Total reclaimed space: 0B/);
      const pruned = await ok(["system", "prune", "-f"]);
      assert.match(pruned, /Deleted Containers:\n[0-9a-f]{64}\n/);
      assert.match(pruned, /Deleted Images:\n(untagged: .*\n)*deleted: sha256:/);
      assert.equal(await ok(["ps", "-aq"]), "");
      await ok(["rmi", "left:1"]);
      assert.match(await ok(["images", "-q", "bb:1"]), /\w+/);
    });

    test("volumes: made, filled by one container, read by the next, in use, pruned", async () => {
      assert.equal(await ok(["volume", "create", "--label", "keep=no", "data"]), "data\n");
      assert.match(await ok(["volume", "ls"]), /DRIVER\s+VOLUME NAME\nlocal\s+data\n/);
      const write = [
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        "data:/d",
        "bb:1",
        "sh",
        "-c",
        "echo kept > /d/f",
      ];
      await ok(write);
      await ok([
        "create",
        "--name",
        "user",
        "--network",
        "none",
        "-v",
        "data:/d",
        "-v",
        "/anonymous",
        "bb:1",
        "cat",
        "/d/f",
      ]);
      assert.equal(await ok(["start", "-a", "user"]), "kept\n");
      const place = (await ok(["volume", "inspect", "-f", "{{.Mountpoint}}", "data"])).trim();
      assert.equal(readFileSync(join(place, "f"), "utf8"), "kept\n");
      const mounts: { Type: string; Name: string; Source: string; Destination: string }[] = JSON.parse(
        await ok(["inspect", "-f", "{{json .Mounts}}", "user"]),
      );
      const named = mounts.find(({ Destination }) => Destination === "/d");
      assert.deepEqual([named?.Type, named?.Name, named?.Source], ["volume", "data", place]);
      assert.match(
        mounts.find(({ Destination }) => Destination === "/anonymous")?.Name ?? "",
        /^[0-9a-f]{64}$/,
      );
      const inUse = await docker(["volume", "rm", "data"]);
      assert.equal(inUse.code, 1);
      assert.match(inUse.stderr, /remove data: volume is in use - \[[0-9a-f]{64}\]/);
      assert.match(await ok(["system", "df"]), /Local Volumes\s+2\s+2\s+5B\s+0B/);
      await ok(["rm", "-v", "user"]);
      assert.equal(await ok(["volume", "ls", "-q", "--filter", "dangling=true"]), "data\n");
      // Clients of before API 1.42 mean named ones too.
      const isOld = client === "/usr/bin/docker";
      const pruned = await ok(["volume", "prune", "-f"]);
      assert.match(pruned, isOld ? /^Deleted Volumes:\ndata\n\nTotal .* 5B/ : /^Total reclaimed space: 0B/);
      if (!isOld) assert.equal(await ok(["volume", "rm", "data"]), "data\n");
      const gone = await docker(["volume", "inspect", "data"]);
      assert.match(gone.stderr, /no such volume/i);
    });

    test("unknown containers and swarm answer as Docker does", async () => {
      assert.match(
        (await docker(["inspect", "--type", "container", "nope"])).stderr,
        /No such container: nope/,
      );
      assert.match((await docker(["node", "ls"])).stderr, /This node is not a swarm manager/);
    });
  });
