"""docker-py as its users have it, against the engine in DOCKER_HOST. Image: bb:1; REGISTRY: a registry."""
import io
import os
import tarfile
import time
import unittest

import docker

client = docker.from_env()


class DockerPy(unittest.TestCase):
    def assertExec(self, container, script, expected, **options):
        # It buffers more than the head of the answer and drops that: all that had come by then, as on a busy machine.
        for _ in range(10):
            code, output = container.exec_run(["sh", "-c", script], **options)
            result = (code, b"".join(output) if options.get("stream") else output)
            if result == expected:
                break
        self.assertEqual(result, expected)

    def test_engine(self):
        self.assertTrue(client.ping())
        self.assertEqual(client.version()["Os"], "linux")
        self.assertEqual(client.info()["OSType"], "linux")
        self.assertIn("Images", client.df())

    def test_run(self):
        self.assertEqual(client.containers.run("bb:1", "echo hello", remove=True), b"hello\n")
        with self.assertRaises(docker.errors.ContainerError) as failed:
            client.containers.run("bb:1", ["sh", "-c", "echo oops >&2; exit 3"], remove=True)
        self.assertEqual(failed.exception.exit_status, 3)
        self.assertEqual(failed.exception.stderr, b"oops\n")
        with self.assertRaises(docker.errors.ImageNotFound):
            client.images.get("nothing:1")

    def test_life(self):
        container = client.containers.run(
            "bb:1", ["sh", "-c", "echo started; sleep 600"], detach=True, name="py", labels={"a": "b"},
            environment={"A": "b"}, ports={"8080/tcp": ("127.0.0.1", None)}, mem_limit="64m",
            volumes={"py-data": {"bind": "/data", "mode": "rw"}}, tmpfs={"/scratch": ""}, init=True)
        try:
            container.reload()
            self.assertEqual(container.status, "running")
            self.assertTrue(container.ports["8080/tcp"][0]["HostPort"].isdigit())
            self.assertEqual([each.id for each in client.containers.list(filters={"label": "a=b"})], [container.id])
            for line in container.logs(stream=True, follow=True):
                self.assertEqual(line, b"started\n")
                break
            self.assertExec(container, "echo $A; exit 4", (4, b"b\n"))
            self.assertExec(container, "echo out; echo err >&2", (0, (b"out\n", b"err\n")), demux=True)
            self.assertExec(container, "echo streamed", (None, b"streamed\n"), stream=True)
            self.assertGreater(container.stats(stream=False)["memory_stats"]["usage"], 0)
            self.assertIn("Processes", container.top())
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w") as tar:
                info = tarfile.TarInfo("file")
                info.size = 4
                tar.addfile(info, io.BytesIO(b"data"))
            self.assertTrue(container.put_archive("/data", archive.getvalue()))
            bits, stat = container.get_archive("/data/file")
            self.assertEqual(stat["size"], 4)
            with tarfile.open(fileobj=io.BytesIO(b"".join(bits))) as tar:
                self.assertEqual(tar.extractfile("file").read(), b"data")
            container.pause()
            container.unpause()
            container.rename("py2")
            container.restart(timeout=0)
            image = container.commit("py", "1")
            self.assertIn("py:1", image.tags)
            client.images.remove("py:1")
            container.stop(timeout=0)
            self.assertGreater(container.wait()["StatusCode"], 0)
        finally:
            container.remove(force=True, v=True)
            client.volumes.get("py-data").remove()

    def test_attach(self):
        container = client.containers.create("bb:1", ["sh", "-c", "read x; echo got $x"], stdin_open=True)
        try:
            sock = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
            container.start()
            sock._sock.sendall(b"typed\n")
            container.wait()
            self.assertEqual(container.logs(), b"got typed\n")
            sock.close()
        finally:
            container.remove(force=True)

    def test_images(self):
        name = os.environ["REGISTRY"] + "/py/bb"
        image = client.images.get("bb:1")
        self.assertTrue(image.tag(name, "1"))
        self.assertIn("digest", client.images.push(name, "1"))
        client.images.remove(name + ":1")
        self.assertEqual(client.images.pull(name, tag="1").id, image.id)
        with self.assertRaises(docker.errors.NotFound):
            client.images.pull(os.environ["REGISTRY"] + "/py/nothing", tag="1")
        self.assertTrue(client.images.get(name + ":1").history())
        saved = b"".join(image.save(named=True))
        self.assertEqual(client.images.load(saved)[0].id, image.id)
        built, log = client.images.build(fileobj=io.BytesIO(b"FROM bb:1\nRUN echo built > /built\n"), tag="py:built")
        self.assertIn("py:built", built.tags)
        with self.assertRaises(docker.errors.BuildError) as failed:
            client.images.build(fileobj=io.BytesIO(b"FROM bb:1\nRUN exit 5\n"))
        self.assertIn("5", str(failed.exception))
        client.images.remove(name + ":1")

    def test_networks_volumes_events(self):
        network = client.networks.create("py", driver="bridge", labels={"a": "b"})
        self.assertEqual(client.networks.get("py").id, network.id)
        container = client.containers.run("bb:1", ["sleep", "600"], detach=True, network="py")
        try:
            network.reload()
            self.assertEqual([each.id for each in network.containers], [container.id])
            network.disconnect(container, force=True)
            network.connect(container, aliases=["alias"])
        finally:
            container.remove(force=True)
            network.remove()
        volume = client.volumes.create("py", labels={"a": "b"})
        self.assertEqual(client.volumes.list(filters={"label": "a=b"}), [volume])
        volume.remove()
        since, until = int(time.time()) - 600, int(time.time()) + 1
        events = client.events(since=since, until=until, decode=True, filters={"type": "volume"})
        self.assertIn("create", [event["Action"] for event in events])
        self.assertIn("SpaceReclaimed", client.containers.prune())
        self.assertIn("SpaceReclaimed", client.volumes.prune())

    def test_low_level_and_old_versions(self):
        for version in ("1.24", "1.30", "1.40", "auto"):
            low = docker.APIClient(base_url=os.environ["DOCKER_HOST"], version=version)
            self.assertEqual(low.inspect_image("bb:1")["Os"], "linux")
            self.assertIsInstance(low.containers(all=True), list)
            self.assertIsInstance(low.networks(), list)
            low.close()


if __name__ == "__main__":
    unittest.main()
