/** A term whose definition appears on hover and on focus. */

import type { ReactNode } from "react";

import { useTooltip } from "../hooks/useTooltip";

type Props = { definition: string; children: ReactNode };

export function TermWithDefinition({ definition, children }: Props) {
  const { target, tooltip } = useTooltip(definition);
  return (
    <>
      <button
        type="button"
        className="cursor-help text-left underline decoration-faint decoration-dotted underline-offset-3"
        {...target}
      >
        {children}
      </button>
      {tooltip}
    </>
  );
}
