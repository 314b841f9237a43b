// The floors of the house (docs/architecture.md): a file imports from its own room, or from a lower
// floor through that room's index.ts; never up, never sideways.
const floors = [
  ["oci", "linux"],
  ["tar", "compress", "erofs", "dockerfile", "event", "wire", "overlay", "cdi", "grpc"],
  ["store", "registry", "network", "volume", "runtime", "layer", "files", "build-request"],
  ["image", "snapshot", "ability"],
  ["build", "container", "session"],
  [], // engine.ts
  ["cli", "api", "ui", "library"],
];
const any = (rooms) => `^src/(${rooms.join("|")})/`;
const rules = [];
floors.forEach((rooms, floor) => {
  const above = floors.slice(floor + 1).flat();
  for (const room of rooms) {
    const peers = rooms.filter((other) => other !== room);
    if (above.length > 0)
      rules.push({
        name: `${room}-looks-down`,
        comment: `${room}/ is on floor ${floor} and may not import from a higher floor`,
        severity: "error",
        from: { path: `^src/${room}/` },
        to: { path: `${any(above)}|^src/(engine|index)\\.ts$` },
      });
    if (peers.length > 0)
      rules.push({
        name: `${room}-not-sideways`,
        comment: `${room}/ takes what it needs from a peer of its floor as a parameter`,
        severity: "error",
        from: { path: `^src/${room}/`, pathNot: "\\.test\\.ts$" },
        to: { path: any(peers) },
      });
    rules.push({
      name: `${room}-through-index`,
      comment: `other rooms import ${room}/ through ${room}/index.ts`,
      severity: "error",
      from: { pathNot: `^src/${room}/|^test/|^bench/` },
      to: { path: `^src/${room}/`, pathNot: `^src/${room}/(index|testing/index|[a-z-]*\\.worker)\\.ts$` },
    });
  }
});
rules.push(
  {
    name: "engine-below-the-doors",
    comment: "engine.ts (floor 5) may not import cli, api or ui",
    severity: "error",
    from: { path: "^src/engine" },
    to: { path: any(floors[6]) },
  },
  {
    name: "only-engine-chooses-a-storage-driver",
    severity: "error",
    from: { path: "^src/", pathNot: "^src/(engine|snapshot/)" },
    to: { path: "^src/snapshot/(erofs|overlay2)" },
  },
  {
    name: "no-circular",
    severity: "error",
    from: {},
    to: { circular: true, viaOnly: { pathNot: "nothing" } },
  },
  {
    name: "image-core-runs-under-node",
    comment: "only linux/ and the process's edge may use Bun's own modules",
    severity: "error",
    from: { path: "^src/(oci|registry|tar|compress|layer|erofs|store|snapshot|image)/" },
    to: { path: "^bun(:|$)" },
  },
);
module.exports = {
  forbidden: rules,
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { extensions: [".ts", ".js"] },
  },
};
