/** A few of a feature's texts beside its line in the list, to see what it means without opening its page. */

import { type PointerEventHandler, useLayoutEffect, useMemo, useRef } from "react";
import { createPortal } from "react-dom";

import { bandsOf, heatByBand } from "../../lib/bands";
import { fewExamples } from "../../lib/examples";
import { useFeaturePreview } from "../../queries";
import { StaticLine } from "../StaticLine";

const MOST = 6;
const ROOM = 62; // characters of the fixed-width font that the card has a line for
const MARGIN = 8;
const BESIDE = 28; // right of the mouse, so that it isn't in the way down the list

type Props = {
  id: string;
  featureId: number;
  run: string | null;
  /** The line of the list. */
  anchor: HTMLElement;
  /** Where the mouse is; null: the line has the focus. */
  at: number | null;
  onPointerEnter: PointerEventHandler;
  onPointerLeave: PointerEventHandler;
};

export function FeatureCard({ id, featureId, run, anchor, at, ...handlers }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const { data: info, error } = useFeaturePreview(featureId, run);
  const bands = useMemo(() => (info === undefined ? [] : bandsOf(info)), [info]);
  const heatOf = useMemo(() => heatByBand(bands), [bands]);
  const texts = useMemo(() => (info === undefined ? [] : fewExamples(info, bands, MOST)), [info, bands]);

  useLayoutEffect(() => {
    if (box.current !== null) place(box.current, anchor.getBoundingClientRect(), at);
  }, [anchor, at, texts, error]);

  if (info === undefined && error === null) return null;
  return createPortal(
    <div
      ref={box}
      id={id}
      role="tooltip"
      className="panel fixed top-0 left-0 z-40 w-[min(36rem,calc(100vw-16px))] px-3 py-2 shadow-lg"
      {...handlers}
    >
      {error !== null && info === undefined && <p className="text-danger">{error.message}</p>}
      <ul aria-label={`Texts of feature ${featureId}`}>
        {texts.map((text) => (
          <StaticLine key={`${text.row_id} ${text.offset} ${text.idx}`} text={text} heatOf={heatOf} room={ROOM} />
        ))}
      </ul>
    </div>,
    anchor.closest("main") ?? document.body,
  );
}

/** Below the line if there is room, else above it; never past the window's edges. */
function place(box: HTMLElement, line: DOMRect, at: number | null): void {
  const { width, height } = box.getBoundingClientRect();
  const wanted = at === null ? line.left + line.width / 4 : at + BESIDE;
  const left = Math.max(MARGIN, Math.min(wanted, window.innerWidth - width - MARGIN));
  const isRoomBelow = line.bottom + height + MARGIN < window.innerHeight;
  box.style.left = `${left}px`;
  box.style.top = `${isRoomBelow ? line.bottom : Math.max(MARGIN, line.top - height)}px`;
}
