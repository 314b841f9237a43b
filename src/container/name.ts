import { randomInt } from "node:crypto";
import { PlyError } from "../error.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

const ADJECTIVES =
  "amber ample awake bold brave bright brisk calm clear clever crisp eager early fair fleet fond gentle glad golden grand happy honest humble jolly keen kind lively lucid mellow merry mild modest neat nimble noble patient placid plain proud quick quiet rapid ready serene sharp silent smooth snug solid steady sturdy subtle sunny swift tidy trusty vivid warm wise witty".split(
    " ",
  );
/** People who made computing, networks and materials what they are. */
const SURNAMES =
  "abelson allen babbage backus baran bartik bell berners boole cerf clarke codd cray diffie dijkstra engelbart faraday floyd franklin goldberg hamilton hamming hellman hoare hopper huffman iverson jacquard johnson joy kay kernighan knuth kahn lamarr lamport liskov lovelace mccarthy mcilroy meitner merkle metcalfe milner minsky moore naur noether pascal perlman postel ritchie rivest shannon stallman sutherland tarjan thompson torvalds turing wilkes wirth zuse".split(
    " ",
  );
const TRIES = 32;

/** Throws "invalid" in Docker's words. */
export function checkName(name: string): void {
  if (!NAME.test(name) || name.length > 255)
    throw new PlyError(
      "invalid",
      `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    );
}

/** `adjective_surname` that nobody has, with a number behind it where all tries are taken. */
export function freeName(isTaken: (name: string) => boolean): string {
  const pick = (words: readonly string[]) => words[randomInt(words.length)] ?? "";
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const name = `${pick(ADJECTIVES)}_${pick(SURNAMES)}`;
    if (!isTaken(name)) return name;
  }
  for (;;) {
    const name = `${pick(ADJECTIVES)}_${pick(SURNAMES)}${randomInt(1_000_000)}`;
    if (!isTaken(name)) return name;
  }
}
