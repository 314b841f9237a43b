/** A template that cannot be read or run; worded as Go's text/template words it, which is what users look up. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

/** `template: :1: unclosed action` */
export function parseError(source: string, offset: number, message: string): TemplateError {
  return new TemplateError(`template: :${lineOf(source, offset)}: ${message}`);
}

/** `template: :1:2: executing "" at <.Foo>: …` */
export function runError(source: string, offset: number, text: string, message: string): TemplateError {
  const column = offset - (source.lastIndexOf("\n", offset - 1) + 1);
  const shown = text.length > 20 ? `${text.slice(0, 20)}...` : text;
  return new TemplateError(
    `template: :${lineOf(source, offset)}:${column}: executing "" at <${shown}>: ${message}`,
  );
}

function lineOf(source: string, offset: number): number {
  return source.slice(0, offset).split("\n").length;
}
