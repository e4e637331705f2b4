/** The ways to the kinds of pages; the run that is looked at is looked at there too. */

import { Link, useLocation } from "wouter";

import { useRovingGroup } from "../hooks/useRovingGroup";
import { comparePath, DEFAULT_COMPARE_STATE } from "../lib/compareState";
import { promptsPath } from "../lib/promptState";
import { tryPath } from "../lib/tryState";
import { featuresPath, type ViewState } from "../lib/viewState";
import { useModels } from "../modelQueries";

export function PageLinks({ state }: { state: ViewState }) {
  const [location] = useLocation();
  const { run } = state;
  const canTry = useModels().data?.can_ask === true;
  const group = useRovingGroup<HTMLElement>();
  const pages = [
    { title: "Features", path: "/", below: "/feature/", href: featuresPath({ ...state, offset: 0 }) },
    { title: "Rows", path: "/prompts", below: "/prompts/", href: promptsPath({ run, text: null, from: 0 }) },
    // only where there is a model to ask
    ...(canTry ? [{ title: "Try", path: "/try", below: "/try/", href: tryPath({ run }) }] : []),
    { title: "Compare", path: "/compare", below: "/compare/", href: comparePath({ ...DEFAULT_COMPARE_STATE, a: run }) },
    { title: "Runs", path: "/runs", below: "/runs/", href: "/runs" },
  ];
  return (
    <nav {...group} aria-label="Pages" className="flex gap-x-3">
      {pages.map(({ title, path, below, href }) => (
        <Link
          key={title}
          href={href}
          aria-current={location === path ? "page" : undefined}
          className={`hover:underline ${location === path || location.startsWith(below) ? "font-medium" : "text-muted"}`}
        >
          {title}
        </Link>
      ))}
    </nav>
  );
}
