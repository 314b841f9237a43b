/**
 * Speaks the protocol of testcontainers' reaper (Ryuk): a line of filters is acknowledged, and what fits them is removed
 * once the last connection has been gone for a while. Its own image cannot be had without Docker Hub.
 */
import { createServer } from "node:net";

const RECONNECT_MS = 500;
const filters = new Set();
let connections = 0;
let timer;
const api = (method, path) => fetch(`http://docker${path}`, { method, unix: "/var/run/docker.sock" });

async function reap() {
  for (const line of filters) {
    const labels = new URLSearchParams(line).getAll("label");
    const query = `filters=${encodeURIComponent(JSON.stringify({ label: Object.fromEntries(labels.map((label) => [label, true])) }))}`;
    for (const { Id } of await (await api("GET", `/containers/json?all=1&${query}`)).json())
      if (!Id.startsWith(process.env.HOSTNAME)) await api("DELETE", `/containers/${Id}?force=1&v=1`);
    for (const { Id } of await (await api("GET", `/networks?${query}`)).json())
      await api("DELETE", `/networks/${Id}`);
    for (const { Name } of (await (await api("GET", `/volumes?${query}`)).json()).Volumes)
      await api("DELETE", `/volumes/${Name}`);
    for (const { Id } of await (await api("GET", `/images/json?${query}`)).json())
      await api("DELETE", `/images/${Id}?force=1`);
  }
  process.exit(0);
}

createServer((socket) => {
  connections++;
  clearTimeout(timer);
  socket.on("data", (bytes) => {
    for (const line of String(bytes).split("\n").filter(Boolean)) filters.add(line.trim());
    socket.write("ACK\n");
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    if (--connections === 0) timer = setTimeout(reap, RECONNECT_MS);
  });
}).listen(8080, () => console.log("Started!"));
