import type { DockerfileCase, Judge } from "./case.ts";

const NAMES: Readonly<Record<Judge, string>> = {
  buildkit: "BuildKit",
  classic: "dockerd's classic builder",
  buildah: "buildah",
};

/** What judges do otherwise, as the table of docs/dockerfile.md: those that differ in the same way in one row. */
export function differencesTable(cases: readonly DockerfileCase[]): string {
  const rows = new Map<string, { readonly subjects: string[]; readonly cells: string }>();
  for (const { name, differs = {} } of cases) {
    const said = (Object.keys(NAMES) as Judge[]).map((judge) => differs[judge] ?? "");
    if (said.every((each) => each === "")) continue;
    const cells = said.map((each) => each.replaceAll("|", "\\|")).join(" | ");
    const row = rows.get(cells) ?? { subjects: [], cells };
    rows.set(cells, row);
    row.subjects.push(name);
  }
  const lines = [...rows.values()].map(({ subjects, cells }) => `| ${subjects.join("; ")} | ${cells} |`);
  return [`| case | ${Object.values(NAMES).join(" | ")} |`, "| --- | --- | --- | --- |", ...lines, ""].join(
    "\n",
  );
}
