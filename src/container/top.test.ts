import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseProcesses } from "./top.ts";

describe("what ps prints", () => {
  const output = [
    "UID          PID    PPID CMD",
    "root           7       1 sleep 100  --not  mine",
    "root          42       7 sh -c echo  two",
    "root           -       - a thread of it",
    "guest         43      42 cat",
    "root           -       - a thread of that",
    "",
  ].join("\n");

  test("only the container's, the last column with its blanks", () => {
    assert.deepEqual(parseProcesses(output, [42]), {
      titles: ["UID", "PID", "PPID", "CMD"],
      processes: [
        ["root", "42", "7", "sh -c echo two"],
        ["root", "-", "-", "a thread of it"],
      ],
    });
    assert.deepEqual(parseProcesses(output, []).processes, []);
  });

  test("without the pid nobody can tell", () => {
    assert.throws(() => parseProcesses("USER CMD\nroot sh\n", [1]), /Couldn't find PID field in ps output/);
  });
});
