/** Around an SVG chart: the buttons that save it as a picture. */

import { type ReactNode, useRef, useState } from "react";

import { saveChart } from "../lib/saveChart";

type Props = {
  /** What the file is called. */
  name: string;
  /** One <svg>. */
  children: ReactNode;
};

export function Chart({ name, children }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const saveAs = async (kind: "svg" | "png") => {
    const chart = frame.current?.querySelector("svg");
    if (chart == null) return;
    try {
      await saveChart(chart, name, kind);
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <div ref={frame}>
      {children}
      <div className="mt-1 flex justify-end gap-x-3 text-xs text-muted print:hidden">
        {problem !== null && <span role="alert">It wasn’t saved: {problem}</span>}
        {(["svg", "png"] as const).map((kind) => (
          <button key={kind} type="button" className="hover:text-ink hover:underline" onClick={() => void saveAs(kind)}>
            {kind.toUpperCase()}
            <span className="sr-only"> of this chart</span>
          </button>
        ))}
      </div>
    </div>
  );
}
