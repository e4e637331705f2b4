/** What stands in for content: nothing yet, nothing at all, or an error; each says what to do. */

import type { ReactNode } from "react";

import { WithCode } from "./WithCode";

type MessageProps = {
  title: string;
  /** The title's level: 1 where the message is all of the page, 2 below a title of the page. */
  level?: 1 | 2;
  children?: ReactNode;
};

export function ContentPlaceholder({ title, level = 1, children }: MessageProps) {
  const Heading = `h${level}` as const;
  return (
    <div className="panel mx-auto my-10 max-w-xl px-6 py-5">
      <Heading className="mb-1 font-semibold">{title}</Heading>
      <div className="text-muted">{children}</div>
    </div>
  );
}

export function ErrorMessage({
  error,
  onRetry,
  children,
}: {
  error: Error;
  onRetry: () => void;
  children?: ReactNode;
}) {
  return (
    <div role="alert">
      <ContentPlaceholder title="That didn’t work">
        <p className="mb-3 break-words text-danger">
          <WithCode>{error.message}</WithCode>
        </p>
        <div className="flex flex-wrap gap-2">
          <button type="button" className="control text-ink" onClick={onRetry}>
            Try again
          </button>
          {children}
        </div>
      </ContentPlaceholder>
    </div>
  );
}

/** Above content that is shown although something could not be loaded or brought up to date. */
export function StaleNote({ error }: { error: Error | null }) {
  if (error === null) return null;
  return (
    <p role="alert" className="mb-4 break-words text-danger">
      This page may be out of date: {error.message}
    </p>
  );
}

/** Grey lines that appear only if loading takes long enough to notice. */
export function Loading({ label }: { label: string }) {
  return (
    <div role="status" className="appear-late my-4 space-y-3" aria-label={label}>
      {["w-1/3", "w-full", "w-full", "w-11/12", "w-full", "w-4/5"].map((width, index) => (
        <div key={index} className={`h-4 animate-pulse rounded bg-sunken motion-reduce:animate-none ${width}`} />
      ))}
      <span className="sr-only">{label}</span>
    </div>
  );
}
