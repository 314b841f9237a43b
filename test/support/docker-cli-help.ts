import { run } from "./process.ts";

/** A command of the docker client with its flags, long names without dashes, sorted. */
export interface DockerCommand {
  /** `container run` is `run`: the short form where there is one. */
  readonly name: string;
  readonly flags: readonly string[];
}

/** Every command of a docker client, as its `--help` tells; groups in `whole` count as one, `swarm *`. */
export async function dockerCommands(
  client: string,
  whole: ReadonlySet<string> = new Set(),
): Promise<DockerCommand[]> {
  const top = await helpOf(client, []);
  const found = await below(client, [], top, {
    top: new Set(subcommandsOf(top)),
    whole,
  });
  // `docker run` and `docker container run` are one command.
  const short = new Map<string, DockerCommand>();
  for (const command of found) short.set(command.name, command);
  return [...short.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function below(
  client: string,
  path: readonly string[],
  help: string,
  known: { readonly top: ReadonlySet<string>; readonly whole: ReadonlySet<string> },
): Promise<DockerCommand[]> {
  const names = subcommandsOf(help);
  const found = await Promise.all(
    names.map(async (name) => {
      const words = [...path, name];
      if (known.whole.has(words.join(" "))) return [{ name: `${words.join(" ")} *`, flags: [] }];
      const text = await helpOf(client, words);
      if (subcommandsOf(text).length > 0) return below(client, words, text, known);
      return [{ name: shortName(words, known.top), flags: flagsOf(text) }];
    }),
  );
  return found.flat();
}

async function helpOf(client: string, words: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(client, [...words, "--help"], { env: { DOCKER_CLI_HINTS: "false" } });
  return stdout === "" ? stderr : stdout;
}

function subcommandsOf(help: string): string[] {
  const names: string[] = [];
  let isInside = false;
  for (const line of help.split("\n")) {
    if (/^(?:[A-Z][\w ]* )?Commands:\s*$/.test(line)) isInside = true;
    else if (/^\S/.test(line)) isInside = false;
    else if (isInside) {
      const name = /^ {2}([a-z][\w-]*)\*?\s{2,}/.exec(line)?.[1];
      if (name !== undefined) names.push(name);
    }
  }
  return names;
}

function flagsOf(help: string): string[] {
  return [...help.matchAll(/^\s+(?:-\w, )?--([\w-]+)/gm)]
    .map(([, name = ""]) => name)
    .filter((name) => name !== "help")
    .sort();
}

/** Where the short form is not the last word of the long one. */
const SHORT: Readonly<Record<string, string>> = {
  "container ls": "ps",
  "container exec": "exec",
  "image ls": "images",
  "image rm": "rmi",
};

/** Commands that have a short form, and those that only look like it. */
function shortName(words: readonly string[], top: ReadonlySet<string>): string {
  const name = words.join(" ");
  const [group = "", verb = ""] = words;
  const isShortened = words.length === 2 && ["container", "image", "system", "builder"].includes(group);
  return (
    SHORT[name] ??
    (isShortened && top.has(verb) && name !== "image inspect" && name !== "container inspect" ? verb : name)
  );
}
