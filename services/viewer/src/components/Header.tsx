/** The bar on every page: home, the runs, and on pages of features the run and the ways to a feature. */

import { useState } from "react";
import { Link, useLocation } from "wouter";

import { useViewState } from "../hooks/usePage";
import { featurePath, featuresPath, type ViewState } from "../lib/viewState";
import { useRandomFeature, useRankingHead } from "../queries";
import { GoToFeature } from "./GoToFeature";
import { RunPicker } from "./RunPicker";

export function Header() {
  const state = useViewState();
  const [location] = useLocation();
  const onRuns = location === "/runs" || location.startsWith("/runs/");
  return (
    <header className="z-20 border-b border-line bg-ground/95 backdrop-blur sm:sticky sm:top-0">
      <div className="mx-auto flex max-w-[100rem] flex-wrap items-center gap-x-4 gap-y-2 px-4 py-2 sm:px-6">
        <Link href={featuresPath({ ...state, offset: 0 })} className="text-base font-semibold tracking-tight">
          sae<span className="text-muted">scope</span>
        </Link>
        <nav aria-label="Pages">
          <Link
            href="/runs"
            aria-current={location === "/runs" ? "page" : undefined}
            className={`hover:underline ${onRuns ? "font-medium" : "text-muted"}`}
          >
            Runs
          </Link>
        </nav>
        {!onRuns && <FeatureTools state={state} />}
      </div>
    </header>
  );
}

/** Which run's features are shown, and the ways to one of them: by number, or by chance. */
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
      <div className="flex min-w-0 max-sm:order-last max-sm:basis-full">
        <RunPicker state={state} />
      </div>
      <div className="ml-auto flex items-center gap-2">
        <GoToFeature
          numFeatures={head?.num_features ?? null}
          onGo={(featureId) => {
            navigate(featurePath(featureId, state));
          }}
        />
        <button
          type="button"
          className="control whitespace-nowrap"
          disabled={head === undefined || head.num_active_features === 0}
          title="Open a random feature that fired"
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
        <p role="alert" className="basis-full text-right text-xs text-danger">
          {problem}
        </p>
      )}
    </>
  );
}
