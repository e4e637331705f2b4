/** One's own text: which features of the run fire at each of its tokens. The text is part of the address. */

import { useState } from "react";
import { useLocation, useSearch } from "wouter";

import { AskProblem } from "../components/ask/AskProblem";
import { ModelsNote } from "../components/ask/ModelsNote";
import { Loading } from "../components/ContentPlaceholder";
import { CopyLink } from "../components/CopyLink";
import { EncodedView } from "../components/encoded/EncodedView";
import { TextForm } from "../components/ask/TextForm";
import { usePageTitle, useScrollToTop } from "../hooks/usePage";
import { IS_EMBEDDED } from "../lib/embedded";
import { fitsAddress, readTryState, tryPath, type TryState } from "../lib/tryState";
import { useEncodedText, useModels } from "../modelQueries";

const EMBEDDED = "On a page that is part of another one the model isn’t asked; open it in saescope.";

export function TryPage() {
  const state = readTryState(useSearch());
  const [, navigate] = useLocation();
  const [long, setLong] = useState<string | null>(null); // what doesn't fit into an address
  const models = useModels();
  const canAsk = models.data?.can_ask === true;
  const text = long ?? state.text;
  const answer = useEncodedText(canAsk ? text : null, state.run);

  usePageTitle("Try a text");
  useScrollToTop();

  const go = (change: Partial<TryState>, how: { replace: boolean }) => {
    navigate(tryPath({ ...state, ...change }), how);
  };
  const ask = (next: string) => {
    const fits = fitsAddress(next);
    setLong(fits ? null : next);
    if (fits && next === state.text && answer.isError) void answer.refetch();
    else go({ text: fits ? next : null, token: null }, { replace: false });
  };
  return (
    <div className="space-y-4">
      <div className="flex flex-wrap items-baseline justify-between gap-x-5">
        <h1 className="text-xl font-semibold tracking-tight">Try a text</h1>
        {answer.data !== undefined && long === null && <CopyLink run={answer.data.run} />}
      </div>
      {IS_EMBEDDED && <p className="text-muted">{EMBEDDED}</p>}
      {models.isLoading && <Loading label="Looking for the models…" />}
      {models.isError && <AskProblem error={models.error} />}
      {models.data === null && <ModelsNote models={{ can_ask: false, why_not: null }} />}
      <ModelsNote models={models.data} />
      {canAsk && <TextForm text={text ?? ""} name="Your text" action="Show its features" onAsk={ask} />}
      {long !== null && (
        <p className="text-xs text-muted">This text is too long for the address, so a link has no text.</p>
      )}
      {answer.isError && <AskProblem error={answer.error} />}
      {answer.isFetching && answer.data === undefined && <Loading label="Asking the model…" />}
      {answer.data !== undefined && (
        <EncodedView
          encoded={answer.data}
          run={state.run}
          order={state.order}
          onOrder={(order) => {
            go({ order }, { replace: true });
          }}
          selected={state.token}
          onSelect={(token) => {
            go({ token }, { replace: true });
          }}
        />
      )}
    </div>
  );
}
