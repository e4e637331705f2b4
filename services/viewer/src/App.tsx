/** Which page an address shows. */

import { QueryClientProvider } from "@tanstack/react-query";
import { useState } from "react";
import { Route, Switch } from "wouter";

import { Header } from "./components/Header";
import { FeaturePage } from "./pages/FeaturePage";
import { FeaturesPage } from "./pages/FeaturesPage";
import { NewRunPage } from "./pages/NewRunPage";
import { NotFoundPage } from "./pages/NotFoundPage";
import { RunPage } from "./pages/RunPage";
import { RunsPage } from "./pages/RunsPage";
import { createQueryClient } from "./queries";

export function App() {
  const [client] = useState(createQueryClient);
  return (
    <QueryClientProvider client={client}>
      <Header />
      <main className="mx-auto max-w-[100rem] px-4 pt-4 pb-16 sm:px-6">
        <Switch>
          <Route path="/" component={FeaturesPage} />
          <Route path="/feature/:id">{({ id }) => <FeaturePage id={id} />}</Route>
          <Route path="/runs" component={RunsPage} />
          <Route path="/runs/new" component={NewRunPage} />
          <Route path="/runs/:id">{({ id }) => <RunPage key={id} id={id} />}</Route>
          <Route component={NotFoundPage} />
        </Switch>
      </main>
    </QueryClientProvider>
  );
}
