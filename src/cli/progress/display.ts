import { formatSize } from "../../byte-size.ts";
import type { PlyProgress } from "../../wire/index.ts";
import { printable } from "../output/width.ts";
import type { Stdio } from "../terminal/index.ts";
import { formatFrame, formatLayer } from "./frame.ts";
import { createPainter } from "./painter.ts";
import { createTransfer, type LayerState, type Transfer } from "./transfer.ts";

/** Shows transfers while they run: live lines on a terminal, one line per change elsewhere. */
export interface TransferDisplay {
  update(title: string, progress: PlyProgress): void;
  /** The transfer is over: its layers stay on screen, these lines below them. */
  settle(title: string, lines: readonly string[]): void;
  /** Always call it at the end; what is still live stays as it is. */
  close(): void;
}

/** Fast enough to look alive, slow enough to cost nothing. */
const FRAME_MS = 66;
const FALLBACK_SIZE = { columns: 80, rows: 24 };

export interface DisplayOptions {
  readonly stdio: Stdio;
  readonly stream: "stdout" | "stderr";
  readonly clock?: () => number;
}

export function createDisplay(options: DisplayOptions): TransferDisplay {
  return options.stdio.isTerminal(options.stream) ? liveDisplay(options) : plainDisplay(options);
}

function writerOf({ stdio, stream }: DisplayOptions): (text: string) => void {
  return stream === "stdout" ? (text) => stdio.out(text) : (text) => stdio.err(text);
}

function liveDisplay(options: DisplayOptions): TransferDisplay {
  const { stdio, stream } = options;
  const clock = options.clock ?? Date.now;
  const size = () => stdio.size(stream) ?? FALLBACK_SIZE;
  // One column less: a full line makes some terminals wrap before the line break.
  const columns = (): number => Math.max(1, size().columns - 1);
  const painter = createPainter(writerOf(options), () => size().columns);
  const transfers = new Map<string, Transfer>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const frame = (): string[] =>
    formatFrame([...transfers.values()], { columns: columns(), rows: size().rows });
  const paint = (): void => {
    timer = undefined;
    painter.paint(frame());
  };
  const offResize = stdio.onSignal(["SIGWINCH"], paint);
  return {
    update(title, progress) {
      if (progress.kind === "message") {
        painter.printAbove([messageLine(progress)]);
        return;
      }
      transferOf(transfers, title).update(progress, clock());
      timer ??= setTimeout(paint, FRAME_MS);
    },
    settle(title, lines) {
      const transfer = transfers.get(title);
      transfers.delete(title);
      const layers = [...(transfer?.layers.values() ?? [])].map((layer) => formatLayer(layer, columns()));
      painter.printAbove([...layers, ...lines], frame());
    },
    close() {
      clearTimeout(timer);
      offResize();
      if (transfers.size > 0) paint();
      painter.finish();
    },
  };
}

function plainDisplay(options: DisplayOptions): TransferDisplay {
  const write = writerOf(options);
  const transfers = new Map<string, Transfer>();
  /** The status that was told last, by title and layer. */
  const said = new Map<string, Map<string, string>>();
  return {
    update(title, progress) {
      if (progress.kind === "message") write(`${messageLine(progress)}\n`);
      if (progress.kind !== "layer") return;
      const transfer = transferOf(transfers, title);
      transfer.update(progress, 0);
      const layer = transfer.layers.get(progress.id);
      const ofTitle = said.get(title) ?? new Map<string, string>();
      said.set(title, ofTitle);
      if (layer === undefined || ofTitle.get(progress.id) === layer.status || !isWorthALine(layer)) return;
      ofTitle.set(progress.id, layer.status);
      write(`${printable(layer.id)}: ${plainStatus(layer)}\n`);
    },
    settle(title, lines) {
      transfers.delete(title);
      said.delete(title);
      if (lines.length > 0) write(`${lines.join("\n")}\n`);
    },
    close() {},
  };
}

function transferOf(transfers: Map<string, Transfer>, title: string): Transfer {
  const known = transfers.get(title);
  if (known !== undefined) return known;
  const transfer = createTransfer(title);
  transfers.set(title, transfer);
  return transfer;
}

/** Without a terminal, moments in between would only make a log long. */
function isWorthALine({ status }: LayerState): boolean {
  return status !== "Waiting" && status !== "Verifying" && status !== "Preparing";
}

function plainStatus({ status, total, detail }: LayerState): string {
  const parts: string[] = [status];
  if (detail !== undefined) parts.push(printable(detail));
  if (total !== undefined && (status === "Downloading" || status === "Pushing"))
    parts.push(formatSize(total));
  return parts.join(" ");
}

function messageLine(progress: Extract<PlyProgress, { readonly kind: "message" }>): string {
  const text = printable(progress.text.trimEnd());
  return progress.id === undefined ? text : `${printable(progress.id)}: ${text}`;
}
