/** The bar on every page: the ways to the others, and on pages of one run which run, and the ways to its features. */

import { useState } from "react";
import { Link, useLocation, useSearch } from "wouter";

import { useRovingGroup } from "../hooks/useRovingGroup";
import { useViewState } from "../hooks/usePage";
import { promptsPath, readPromptsState } from "../lib/promptState";
import { readTryState, tryPath } from "../lib/tryState";
import { DEFAULT_STATE, featurePath, featuresPath, type ViewState } from "../lib/viewState";
import { useRandomFeature, useRankingHead } from "../queries";
import { KeyboardHelp } from "./KeyboardHelp";
import { PageLinks } from "./PageLinks";
import { RunPicker } from "./RunPicker";
import { HeaderSearch } from "./search/HeaderSearch";
import { ThemeSwitch } from "./ThemeSwitch";

export function Header() {
  const view = useViewState();
  const search = useSearch();
  const [location, navigate] = useLocation();
  const [, page = ""] = location.split("/");
  // elsewhere the query has other things under the same names
  const state = page === "" || page === "feature" ? view : { ...DEFAULT_STATE, run: view.run };
  const isOfOneRun = page !== "runs" && page !== "compare";
  const showRun = (run: string | null) => {
    if (location === "/prompts") navigate(promptsPath({ ...readPromptsState(search), run, from: 0 }));
    else if (location === "/try") navigate(tryPath({ ...readTryState(search), run, token: null }));
    else navigate(`${location}${featuresPath({ ...state, run, offset: 0 }).slice(1)}`);
  };
  return (
    <header className="z-20 border-b border-line bg-ground sm:sticky sm:top-0">
      <button
        type="button"
        className="control absolute top-1 left-1 z-10 not-focus:sr-only"
        onClick={() => {
          document.querySelector("main")?.focus();
        }}
      >
        Skip to the content
      </button>
      <div className="mx-auto flex max-w-[100rem] flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2 sm:px-6">
        {/* a stop less for the Tab key, as the link to the features leads there too */}
        <Link
          href={featuresPath({ ...state, offset: 0 })}
          tabIndex={-1}
          className="text-base font-semibold tracking-tight"
        >
          sae<span className="text-muted">scope</span>
        </Link>
        <PageLinks state={state} />
        {isOfOneRun && <RunSearch state={state} />}
        {isOfOneRun && (
          <div className="flex min-w-0 max-sm:order-2 max-sm:basis-full sm:ml-auto">
            <RunPicker run={state.run} onChoose={showRun} />
          </div>
        )}
        <Tools random={isOfOneRun ? state : null} isAlone={!isOfOneRun} />
      </div>
    </header>
  );
}

/** The field that finds features and rows of the run. */
function RunSearch({ state }: { state: ViewState }) {
  const head = useRankingHead(state).data;
  return (
    <div className="flex min-w-0 grow max-sm:order-1 max-sm:basis-3/5">
      <HeaderSearch state={state} numFeatures={head?.num_features ?? null} />
    </div>
  );
}

type ToolsProps = {
  /** The list of which a feature can be opened by chance; null where there is none. */
  random: ViewState | null;
  isAlone: boolean;
};

function Tools({ random, isAlone }: ToolsProps) {
  const group = useRovingGroup<HTMLDivElement>();
  return (
    <div
      {...group}
      role="toolbar"
      aria-label="Tools"
      className={`flex items-center gap-2 ${isAlone ? "ml-auto" : "max-sm:order-1"}`}
    >
      {random !== null && <RandomFeature state={random} />}
      <ThemeSwitch />
      <KeyboardHelp />
    </div>
  );
}

function RandomFeature({ state }: { state: ViewState }) {
  const [, navigate] = useLocation();
  const head = useRankingHead(state).data;
  const pickRandom = useRandomFeature(state);
  const [problem, setProblem] = useState<string | null>(null);

  const openRandom = async () => {
    setProblem(null);
    try {
      const featureId = await pickRandom();
      if (featureId !== null) navigate(featurePath(featureId, state));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <div className="relative">
      <button
        type="button"
        className="control px-1.5"
        aria-label="Random feature"
        title="Open a random feature of the list"
        // not disabled while nothing is known, so that the group's stop stays where it is
        aria-disabled={head === undefined || head.num_matching === 0}
        onClick={() => {
          void openRandom();
        }}
      >
        <svg viewBox="0 0 16 16" className="size-4 fill-none stroke-current" strokeWidth={1.5} aria-hidden="true">
          <rect x="2" y="2" width="12" height="12" rx="2.5" />
          <path strokeLinecap="round" strokeWidth={2} d="M5.2 5.2h0M10.8 5.2h0M8 8h0M5.2 10.8h0M10.8 10.8h0" />
        </svg>
      </button>
      {problem !== null && (
        <p
          role="alert"
          className="panel absolute top-full right-0 z-30 mt-1 w-max max-w-72 px-2 py-1 text-xs text-danger"
        >
          {problem}
        </p>
      )}
    </div>
  );
}
