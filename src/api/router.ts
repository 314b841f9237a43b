/** A route: `{name}` is one path segment, `{name:.*}` one or more (image names have slashes). */
export interface Route<Handler> {
  readonly method: string;
  readonly path: string;
  readonly handler: Handler;
}

export interface RouteMatch<Handler> {
  readonly handler: Handler;
  readonly params: Readonly<Record<string, string>>;
}

export interface Router<Handler> {
  /** `path` decoded, without version prefix and query. The first route that fits; undefined: none. */
  match(method: string, path: string): RouteMatch<Handler> | undefined;
}

interface Compiled<Handler> {
  readonly pattern: RegExp;
  readonly names: readonly string[];
  readonly handler: Handler;
}

export function createRouter<Handler>(routes: readonly Route<Handler>[]): Router<Handler> {
  // Plain paths by a look-up, templates in order: the busiest routes have no parameters.
  const plain = new Map<string, Handler>();
  const templates = new Map<string, Compiled<Handler>[]>();
  for (const route of routes) {
    if (!route.path.includes("{")) {
      plain.set(`${route.method} ${route.path}`, route.handler);
      continue;
    }
    const ofMethod = templates.get(route.method) ?? [];
    ofMethod.push(compile(route));
    templates.set(route.method, ofMethod);
  }
  return {
    match(method, path) {
      const handler = plain.get(`${method} ${path}`);
      if (handler !== undefined) return { handler, params: {} };
      for (const template of templates.get(method) ?? []) {
        const found = template.pattern.exec(path);
        if (found === null) continue;
        const params: Record<string, string> = {};
        for (const [index, name] of template.names.entries()) params[name] = found[index + 1] ?? "";
        return { handler: template.handler, params };
      }
      return undefined;
    },
  };
}

function compile<Handler>(route: Route<Handler>): Compiled<Handler> {
  const names: string[] = [];
  const source = route.path.replace(/\{(\w+)(:\.\*)?\}|[.*+?^$()|[\]\\]/g, (part, name, deep) => {
    if (name === undefined) return `\\${part}`;
    names.push(name);
    return deep === undefined ? "([^/]+)" : "(.+)";
  });
  return { pattern: new RegExp(`^${source}$`, "s"), names, handler: route.handler };
}
