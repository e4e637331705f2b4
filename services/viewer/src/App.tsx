/** Which page an address shows. */

import { QueryClientProvider } from "@tanstack/react-query";
import { useState } from "react";
import { Route, Router, Switch, useLocation } from "wouter";

import { Header } from "./components/Header";
import { OffensiveNotice } from "./components/OffensiveNotice";
import { SignIn } from "./components/SignIn";
import { basePath } from "./lib/basePath";
import { IS_EMBEDDED, withoutEmbed } from "./lib/embedded";
import { CompareFeaturePage } from "./pages/CompareFeaturePage";
import { ComparePage } from "./pages/ComparePage";
import { FeaturePage } from "./pages/FeaturePage";
import { FeaturesPage } from "./pages/FeaturesPage";
import { NewRunPage } from "./pages/NewRunPage";
import { NotFoundPage } from "./pages/NotFoundPage";
import { PromptPage } from "./pages/PromptPage";
import { PromptsPage } from "./pages/PromptsPage";
import { RunPage } from "./pages/RunPage";
import { RunsPage } from "./pages/RunsPage";
import { TryPage } from "./pages/TryPage";
import { createQueryClient } from "./queries";

export function App() {
  const [needsToken, setNeedsToken] = useState(false);
  const [client] = useState(() =>
    createQueryClient(() => {
      setNeedsToken(true);
    }),
  );
  return (
    <QueryClientProvider client={client}>
      <Router base={basePath()}>
        {needsToken ? (
          <SignIn
            onSignedIn={() => {
              setNeedsToken(false);
              void client.resetQueries();
            }}
          />
        ) : (
          <Pages />
        )}
      </Router>
    </QueryClientProvider>
  );
}

function Pages() {
  return (
    <>
      {!IS_EMBEDDED && <Header />}
      {!IS_EMBEDDED && <OffensiveNotice />}
      <main tabIndex={-1} className="outline-none mx-auto max-w-[100rem] px-4 pt-4 pb-16 sm:px-6">
        <Switch>
          <Route path="/" component={FeaturesPage} />
          <Route path="/feature/:id">{({ id }) => <FeaturePage id={id} />}</Route>
          <Route path="/prompts" component={PromptsPage} />
          <Route path="/prompts/:row">{({ row }) => <PromptPage row={row} />}</Route>
          <Route path="/try" component={TryPage} />
          <Route path="/compare" component={ComparePage} />
          <Route path="/compare/:feature">{({ feature }) => <CompareFeaturePage id={feature} />}</Route>
          <Route path="/runs" component={RunsPage} />
          <Route path="/runs/new" component={NewRunPage} />
          <Route path="/runs/:id">{({ id }) => <RunPage key={id} id={id} />}</Route>
          <Route component={NotFoundPage} />
        </Switch>
      </main>
      {IS_EMBEDDED && <WholePage />}
    </>
  );
}

/** On an embedded page, the way to the whole one. */
function WholePage() {
  useLocation(); // the address changes with it
  return (
    <footer className="px-4 pb-2 text-right text-xs sm:px-6">
      <a href={withoutEmbed(window.location.href)} target="_blank" rel="noreferrer" className="text-accent underline">
        Open in saescope
      </a>
    </footer>
  );
}
