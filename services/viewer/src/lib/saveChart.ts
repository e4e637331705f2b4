/** Charts as files: an SVG as it is drawn, with the colours that style sheets give it; or the same as a PNG. */

const DRAWN = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font", "text-anchor"];
const PNG_SCALE = 2;
const MARGIN = 8;

/** The chart as the text of an SVG file, on the page's own ground. */
export function svgText(chart: SVGSVGElement): string {
  const copy = chart.cloneNode(true) as SVGSVGElement;
  const parts = [chart, ...chart.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((part, index) => {
    const style = getComputedStyle(parts[index] ?? chart);
    for (const name of DRAWN) part.setAttribute(name, style.getPropertyValue(name));
    for (const name of ["class", "style", "tabindex", "data-testid"]) part.removeAttribute(name);
  });
  const { width, height } = chart.getBoundingClientRect();
  const box = [-MARGIN, -MARGIN, width + 2 * MARGIN, height + 2 * MARGIN];
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  ["x", "y", "width", "height"].forEach((name, index) => {
    ground.setAttribute(name, String(box[index]));
  });
  ground.setAttribute("fill", getComputedStyle(document.documentElement).backgroundColor);
  copy.prepend(ground);
  copy.setAttribute("viewBox", box.join(" "));
  copy.setAttribute("width", String(box[2]));
  copy.setAttribute("height", String(box[3]));
  return new XMLSerializer().serializeToString(copy);
}

/** Save the chart as `name`.svg or `name`.png. */
export async function saveChart(chart: SVGSVGElement, name: string, kind: "svg" | "png"): Promise<void> {
  const svg = new Blob([svgText(chart)], { type: "image/svg+xml" });
  save(kind === "svg" ? svg : await png(svg), `${name}.${kind}`);
}

async function png(svg: Blob): Promise<Blob> {
  const address = URL.createObjectURL(svg);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.width * PNG_SCALE;
    canvas.height = image.height * PNG_SCALE;
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise<Blob>((resolve, reject) => {
      canvas.toBlob((blob) => {
        if (blob === null) reject(new Error("this browser can’t draw so large a picture"));
        else resolve(blob);
      });
    });
  } finally {
    URL.revokeObjectURL(address);
  }
}

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => {
    URL.revokeObjectURL(link.href);
  }, 1000);
}
