/** A term whose definition appears on hover and on focus. */

import { type ReactNode, useId, useState } from "react";

import { Tooltip } from "./Tooltip";

type Props = { definition: string; children: ReactNode };

export function Term({ definition, children }: Props) {
  const id = useId();
  const [anchor, setAnchor] = useState<Element | null>(null);
  const hide = () => {
    setAnchor(null);
  };
  return (
    <>
      <button
        type="button"
        className="cursor-help text-left underline decoration-faint decoration-dotted underline-offset-3"
        aria-describedby={anchor === null ? undefined : id}
        onMouseEnter={(event) => {
          setAnchor(event.currentTarget);
        }}
        onMouseLeave={hide}
        onFocus={(event) => {
          setAnchor(event.currentTarget);
        }}
        onBlur={hide}
        onKeyDown={(event) => {
          if (event.key === "Escape") hide();
        }}
      >
        {children}
      </button>
      {anchor !== null && (
        <Tooltip id={id} anchor={anchor}>
          {definition}
        </Tooltip>
      )}
    </>
  );
}
