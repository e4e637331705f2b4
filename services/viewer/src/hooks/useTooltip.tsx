import { type KeyboardEvent, type ReactNode, type SyntheticEvent, useId, useState } from "react";

import { Tooltip } from "../components/Tooltip";

/** A tooltip for an element while it is pointed at or has the focus: the element's properties, and the tooltip itself. */
export function useTooltip(content: ReactNode) {
  const id = useId();
  const [anchor, setAnchor] = useState<Element | null>(null);
  const show = (event: SyntheticEvent) => {
    setAnchor(event.currentTarget);
  };
  const hide = () => {
    setAnchor(null);
  };
  const target = {
    "aria-describedby": anchor === null ? undefined : id,
    onMouseEnter: show,
    onMouseLeave: hide,
    onFocus: show,
    onBlur: hide,
    onKeyDown: (event: KeyboardEvent) => {
      if (event.key === "Escape") hide();
    },
  };
  const tooltip = anchor !== null && (
    <Tooltip id={id} anchor={anchor}>
      {content}
    </Tooltip>
  );
  return { target, tooltip };
}
