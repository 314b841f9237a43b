import { formatSize } from "../../byte-size.ts";
import { formatSpan } from "../output/duration.ts";
import { printable, truncate } from "../output/width.ts";
import { isActive, isMoving, type LayerState, type TotalState, type Transfer } from "./transfer.ts";

/** Room for a frame, in characters. */
export interface FrameSize {
  readonly columns: number;
  readonly rows: number;
}

const ID_COLUMNS = 12;
const STATUS_COLUMNS = "Already exists".length;
const MIN_BAR = 10;
const MAX_BAR = 40;

/**
 * The lines that show transfers now: per transfer one for the whole and one per layer. Where they do not all fit,
 * layers at work come first and the rest is counted.
 */
export function formatFrame(transfers: readonly Transfer[], size: FrameSize): string[] {
  const room = Math.max(1, size.rows - 1);
  const heads = transfers.slice(0, room);
  const perTransfer = Math.max(0, Math.floor(room / Math.max(1, heads.length)) - 1);
  const lines = heads.flatMap((transfer) => [
    formatTotal(transfer, size.columns),
    ...formatLayers([...transfer.layers.values()], perTransfer, size.columns),
  ]);
  return lines.slice(0, room);
}

/** `nginx:latest: 12.3MB of 93MB [====>   ] 13%  45.2MB/s  2s left  3/7 layers` */
export function formatTotal(transfer: Transfer, columns: number): string {
  const { title, total } = transfer;
  if (total === undefined) return truncate(`${printable(title)}: ${bytesSoFar(transfer)}`, columns);
  const words = [`${printable(title)}: ${formatSize(total.bytesDone)} of ${formatSize(total.bytesTotal)}`];
  const facts = totalFacts(total);
  const used = words.join("  ").length + facts.length + 4;
  const bar = formatBar(fraction(total.bytesDone, total.bytesTotal), columns - used);
  return truncate([...words, bar, facts].filter((part) => part !== "").join("  "), columns);
}

/** Where nobody knows how much there will be: an archive that is being read. */
function bytesSoFar({ layers }: Transfer): string {
  let bytes = 0;
  for (const { current } of layers.values()) bytes += current ?? 0;
  return bytes === 0 ? "…" : formatSize(bytes);
}

function totalFacts(total: TotalState): string {
  const parts: string[] = [];
  if (total.bytesPerSecond > 0) parts.push(`${formatSize(total.bytesPerSecond)}/s`);
  if (total.secondsLeft !== undefined && total.bytesDone < total.bytesTotal)
    parts.push(`${formatSpan(total.secondsLeft)} left`);
  parts.push(`${total.layersDone}/${total.layersTotal} layers`);
  return parts.join("  ");
}

function formatLayers(layers: readonly LayerState[], room: number, columns: number): string[] {
  if (layers.length <= room) return layers.map((layer) => formatLayer(layer, columns));
  if (room === 0) return [];
  const rank = (layer: LayerState): number =>
    isActive(layer.status) ? 0 : layer.status === "Waiting" ? 1 : 2;
  const chosen = new Set([...layers].sort((a, b) => rank(a) - rank(b)).slice(0, room - 1));
  const rest = layers.filter((layer) => !chosen.has(layer));
  const waiting = rest.filter(({ status }) => status === "Waiting").length;
  const counts = [
    ...(waiting > 0 ? [`${waiting} waiting`] : []),
    ...(rest.length > waiting ? [`${rest.length - waiting} done`] : []),
  ];
  return [
    ...layers.filter((layer) => chosen.has(layer)).map((layer) => formatLayer(layer, columns)),
    truncate(`  and ${rest.length} more: ${counts.join(", ")}`, columns),
  ];
}

/** `3f4ca61aafcd  Downloading     [=====>      ]  12.3MB/50MB  8.1MB/s` */
export function formatLayer(layer: LayerState, columns: number): string {
  const head = `${printable(layer.id).padEnd(ID_COLUMNS)}  ${layer.status.padEnd(STATUS_COLUMNS)}`;
  const { current, total, rate } = layer;
  if (isMoving(layer.status) && current !== undefined) {
    const speed = rate > 0 ? `${formatSize(rate)}/s` : "";
    const amount = total === undefined ? formatSize(current) : `${formatSize(current)}/${formatSize(total)}`;
    const bar =
      total === undefined
        ? ""
        : formatBar(fraction(current, total), columns - head.length - amount.length - speed.length - 6);
    return truncate([head, bar, amount, speed].filter((part) => part !== "").join("  "), columns);
  }
  const detail = layer.detail === undefined ? "" : printable(layer.detail);
  const size = total === undefined || layer.status === "Waiting" ? "" : formatSize(total);
  return truncate(
    [head, detail, size]
      .filter((part) => part !== "")
      .join("  ")
      .trimEnd(),
    columns,
  );
}

function fraction(done: number, total: number): number {
  return total <= 0 ? 0 : Math.min(1, Math.max(0, done / total));
}

/** `[====>     ]` within so many columns; nothing where there is no room for a bar worth looking at. */
export function formatBar(part: number, columns: number): string {
  const inner = Math.min(MAX_BAR, columns - 2);
  if (inner < MIN_BAR) return "";
  const filled = Math.round(part * inner);
  const bar = filled >= inner ? "=".repeat(inner) : `${"=".repeat(filled)}>`;
  return `[${bar.padEnd(inner)}]`;
}
