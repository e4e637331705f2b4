/** The way to what comes before and after what is shown, by links and by keys. Knows nothing of what that is. */

import { Link, useLocation } from "wouter";

import { useShortcuts } from "../hooks/useShortcuts";

/** Where a step leads, and what is there. */
export type Step = { href: string; title: string };

type Props = { previous: Step | null; next: Step | null };

export function PreviousNextLinks({ previous, next }: Props) {
  const [, navigate] = useLocation();
  const goBack = () => {
    if (previous !== null) navigate(previous.href);
  };
  const goOn = () => {
    if (next !== null) navigate(next.href);
  };
  useShortcuts({ ArrowLeft: goBack, k: goBack, ArrowRight: goOn, j: goOn });
  return (
    <>
      <StepLink step={previous}>← Previous</StepLink>
      <StepLink step={next}>Next →</StepLink>
    </>
  );
}

/** One step; without one the words are there but lead nowhere. */
export function StepLink({ step, children }: { step: Step | null; children: string }) {
  return step === null ? (
    <span className="control" aria-disabled="true">
      {children}
    </span>
  ) : (
    <Link href={step.href} className="control" title={step.title}>
      {children}
    </Link>
  );
}
