/** First, previous, next, last: links, so that each page of a list has an address. */

import { Link } from "wouter";

import { formatCount } from "../lib/format";

type Props = {
  offset: number;
  pageSize: number;
  total: number;
  hrefAt: (offset: number) => string;
};

export function Pagination({ offset, pageSize, total, hrefAt }: Props) {
  const last = Math.max(0, Math.floor((total - 1) / pageSize) * pageSize);
  const pages = [
    { label: "First", offset: 0, possible: offset > 0 },
    { label: "Previous", offset: Math.max(0, offset - pageSize), possible: offset > 0 },
    { label: "Next", offset: offset + pageSize, possible: offset + pageSize < total },
    { label: "Last", offset: last, possible: offset < last },
  ];
  return (
    <nav className="flex flex-wrap items-center gap-2" aria-label="Pages of the ranking">
      <span className="mr-auto text-muted tabular-nums">
        {formatCount(offset + 1)}–{formatCount(Math.min(offset + pageSize, total))} of {formatCount(total)} that fired
      </span>
      {pages.map((page) =>
        page.possible ? (
          <Link key={page.label} href={hrefAt(page.offset)} className="control">
            {page.label}
          </Link>
        ) : (
          <span key={page.label} className="control" aria-disabled="true">
            {page.label}
          </span>
        ),
      )}
    </nav>
  );
}
