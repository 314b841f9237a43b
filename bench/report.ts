/** One figure: milliseconds (or MB) of every round. */
export interface Series {
  readonly peer: string;
  readonly samples: readonly number[];
}

export interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly Series[];
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

const round = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1));

/** A Markdown table: median, range and the first peer's share of each other peer's time. */
export function tableOf(chart: Chart): string {
  const first = chart.series[0];
  const rows = chart.series.map(({ peer, samples }) => {
    const ratio =
      first === undefined || peer === first.peer ? "" : (median(first.samples) / median(samples)).toFixed(2);
    return `| ${peer} | ${round(median(samples))} | ${round(Math.min(...samples))} – ${round(Math.max(...samples))} | ${samples.length} | ${ratio} |`;
  });
  const head = `| ${chart.title} | median ${chart.unit} | range | rounds | ${first?.peer ?? ""} / peer |`;
  return [head, "| --- | ---: | ---: | ---: | ---: |", ...rows, ""].join("\n");
}

const escapeXml = (text: string): string =>
  text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

/** Horizontal bars of the medians, one block per chart, as an SVG. */
export function svgOf(charts: readonly Chart[]): string {
  const width = 760;
  const left = 190;
  const bar = 20;
  const gap = 8;
  const parts: string[] = [];
  let y = 16;
  for (const chart of charts) {
    y += 22;
    parts.push(
      `<text x="16" y="${y}" class="title">${escapeXml(chart.title)} (median ${escapeXml(chart.unit)}, less is better)</text>`,
    );
    y += 12;
    const longest = Math.max(...chart.series.map(({ samples }) => median(samples)));
    chart.series.forEach(({ peer, samples }, index) => {
      const value = median(samples);
      const length = Math.max(2, ((width - left - 110) * value) / longest);
      parts.push(
        `<text x="${left - 10}" y="${y + bar - 5}" text-anchor="end">${escapeXml(peer)}</text>`,
        `<rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${bar}" rx="2" fill="${index === 0 ? "#0b7285" : "#adb5bd"}"/>`,
        `<text x="${(left + length + 8).toFixed(1)}" y="${y + bar - 5}">${round(value)}</text>`,
      );
      y += bar + gap;
    });
    y += 14;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${y}" viewBox="0 0 ${width} ${y}" font-family="system-ui, sans-serif" font-size="13" fill="#212529"><style>.title{font-weight:600}</style><rect width="100%" height="100%" fill="#ffffff"/>${parts.join("")}</svg>\n`;
}
