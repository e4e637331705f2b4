/** The bar on every page: the ways to the others, and on pages of one run which run, and the ways to its features. */

import { useState } from "react";
import { Link, useLocation, useSearch } from "wouter";

import { useViewState } from "../hooks/usePage";
import { promptsPath, readPromptsState } from "../lib/promptState";
import { DEFAULT_STATE, featurePath, featuresPath, type ViewState } from "../lib/viewState";
import { useRandomFeature, useRankingHead } from "../queries";
import { GoToFeature } from "./GoToFeature";
import { KeyboardHelp } from "./KeyboardHelp";
import { PageLinks } from "./PageLinks";
import { RunPicker } from "./RunPicker";
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
        <Link href={featuresPath({ ...state, offset: 0 })} className="text-base font-semibold tracking-tight">
          sae<span className="text-muted">scope</span>
        </Link>
        <PageLinks state={state} />
        {isOfOneRun && (
          <div className="flex min-w-0 max-sm:order-last max-sm:basis-full">
            <RunPicker run={state.run} onChoose={showRun} />
          </div>
        )}
        <div className="ml-auto flex flex-wrap items-center justify-end gap-2">
          {isOfOneRun && <FeatureTools state={state} />}
          <ThemeSwitch />
          <KeyboardHelp />
        </div>
      </div>
    </header>
  );
}

/** The ways to one of the run's features: by number, or by chance. */
function FeatureTools({ state }: { state: ViewState }) {
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
    <>
      <div className="flex items-center gap-2">
        <GoToFeature
          numFeatures={head?.num_features ?? null}
          onGo={(featureId) => {
            navigate(featurePath(featureId, state));
          }}
        />
        <button
          type="button"
          className="control whitespace-nowrap"
          disabled={head === undefined || head.num_matching === 0}
          title="Open a random feature of the list"
          onClick={() => {
            void openRandom();
          }}
        >
          <span className="max-sm:sr-only">I’m feeling lucky</span>
          <span className="sm:hidden" aria-hidden="true">
            Lucky
          </span>
        </button>
      </div>
      {problem !== null && (
        <p role="alert" className="order-last basis-full text-right text-xs text-danger">
          {problem}
        </p>
      )}
    </>
  );
}
