/** One row of the dataset: its text, token by token, and what fired in it. */

import { useCallback, useDeferredValue, useMemo, useState } from "react";
import { Link, useLocation, useSearch } from "wouter";

import type { PromptInfo, RowFeature } from "../apiTypes";
import { LiveBanner } from "../components/LiveBanner";
import { ContentPlaceholder, ErrorMessage, Loading, StaleNote } from "../components/ContentPlaceholder";
import { RowColumns } from "../components/prompts/RowColumns";
import { EncodedTooltip } from "../components/encoded/EncodedTooltip";
import { FiredFeaturesTooltip } from "../components/prompts/FiredFeaturesTooltip";
import { RowFeatures } from "../components/prompts/RowFeatures";
import { RowText } from "../components/prompts/RowText";
import { SelectedToken } from "../components/prompts/SelectedToken";
import { STRETCH } from "../components/prompts/Stretches";
import { PreviousNextLinks } from "../components/PreviousNextLinks";
import { useLabelOf } from "../labelQueries";
import { usePrompt } from "../rowAndCompareQueries";
import { usePageTitle, useScrollToTop, useViewState } from "../hooks/usePage";
import { useStretch } from "../hooks/useStretch";
import { type FiringAt, firingsAt, largestShares } from "../lib/encodedRows";
import { formatPlural } from "../lib/format";
import type { MatrixRow } from "../lib/matrix";
import { promptPath, promptsPath, readRowOrder, readSelectedToken } from "../lib/promptState";
import { featuresByToken, MARKER, type RowOrder, sharesByToken, sharesOfOne } from "../lib/rowFeatures";
import { DEFAULT_STATE } from "../lib/viewState";
import { useEncodedRow } from "../modelQueries";
import { useLiveRun } from "../runQueries";

export function PromptPage({ row }: { row: string }) {
  useScrollToTop();
  if (/^\d{1,15}$/.test(row)) return <NumberedRow rowId={Number(row)} />;
  return (
    <ContentPlaceholder title={`“${row}” isn’t a row`}>
      Rows have numbers, from 0 on.{" "}
      <Link href="/prompts" className="text-accent underline">
        All rows
      </Link>
    </ContentPlaceholder>
  );
}

function NumberedRow({ rowId }: { rowId: number }) {
  const { run } = useViewState();
  const order = readRowOrder(useSearch());
  const prompt = usePrompt(rowId, run);
  const row = prompt.data;
  const live = useLiveRun(row?.run ?? run);

  usePageTitle(`Row ${rowId}`);
  if (row === undefined) {
    if (prompt.error === null) return <Loading label={`Loading row ${rowId}…`} />;
    return (
      <ErrorMessage error={prompt.error} onRetry={() => void prompt.refetch()}>
        <Link href={promptsPath({ run })} className="control text-ink">
          All rows
        </Link>
      </ErrorMessage>
    );
  }
  const step = (neighbour: number | null) =>
    neighbour === null ? null : { href: promptPath(neighbour, run, null, order), title: `Row ${neighbour}` };
  return (
    <div className="space-y-5">
      <StaleNote error={prompt.error} />
      {live !== undefined && (
        <LiveBanner key={live.id} runId={live.id} state={{ ...DEFAULT_STATE, run }} numRecords={row.num_records} />
      )}
      <div className="flex flex-wrap items-center gap-x-5 gap-y-2">
        <h1 className="text-xl font-semibold tracking-tight tabular-nums">Row {rowId}</h1>
        <nav aria-label="Rows" className="flex flex-wrap items-center gap-2">
          <PreviousNextLinks previous={step(row.previous)} next={step(row.next)} />
          <Link href={promptsPath({ run, from: rowId })} className="text-muted hover:text-ink hover:underline">
            rows from here
          </Link>
        </nav>
      </div>
      {row.skipped === null ? (
        <div className={prompt.isPlaceholderData ? "opacity-50 transition-opacity delay-150" : ""}>
          <Row key={row.row_id} row={row} run={run} order={order} />
        </div>
      ) : (
        <ContentPlaceholder title="This row was skipped" level={2}>
          Its text could not be used: {row.skipped}. It counts in none of the statistics.
        </ContentPlaceholder>
      )}
    </div>
  );
}

type RowProps = { row: PromptInfo; run: string | null; order: RowOrder };

function Row({ row, run, order }: RowProps) {
  const selected = readSelectedToken(useSearch());
  const [pointedAt, setPointedAt] = useState<MatrixRow | null>(null);
  const [isAllWanted, setAllWanted] = useState(false);
  const [from, setFrom] = useStretch(selected, STRETCH);
  const [, navigate] = useLocation();
  const isTextThere = useDeferredValue(true, false); // the matrix comes after the text, which is read first
  const firedOn = useMemo(() => featuresByToken(row.features), [row.features]);
  const answer = useEncodedRow(row.row_id, { run: row.run, from, tokens: STRETCH }, isAllWanted);
  const encoded = isAllWanted && answer.data !== undefined && !answer.isPlaceholderData ? answer.data : null;
  const firings = useMemo(() => (encoded === null ? null : firingsAt(encoded.features)), [encoded]);
  const shares = useMemo(() => {
    if (pointedAt !== null) return sharesOfOne(pointedAt);
    return firings === null ? sharesByToken(firedOn) : largestShares(firings);
  }, [pointedAt, firings, firedOn]);
  const select = useCallback(
    (token: number) => {
      navigate(promptPath(row.row_id, run, token, order), { replace: true });
    },
    [navigate, row.row_id, run, order],
  );
  const labelOf = useLabelOf(row.run);
  const firingsOf = (token: number) =>
    firings !== null && (token < 0 || (token >= from && token < from + STRETCH)) ? (firings.get(token) ?? []) : null;
  return (
    <div className="space-y-4">
      <RowColumns columns={row.columns} run={run} />
      <div className="flex flex-col gap-4 lg:grid lg:grid-cols-[minmax(0,1fr)_20rem] lg:items-start lg:gap-x-6">
        <section aria-label="Text" className="panel min-w-0 overflow-clip px-4 py-3">
          <p className="mb-2 text-xs text-muted tabular-nums">
            {formatPlural(row.tokens.length, "token")}
            {row.windows.length > 1 &&
              ` in ${formatPlural(row.windows.length, "window")}, which begin at the vertical lines`}
            ;{" "}
            {firings === null
              ? "underlined are those that one of the row’s strongest features fired on most strongly"
              : "the fuller the colour, the closer a feature is to its strongest"}
          </p>
          <RowText
            label={`Tokens of row ${row.row_id}`}
            tokens={row.tokens}
            windows={row.windows}
            hasMarker={firedOn.has(MARKER) || firings?.has(MARKER) === true}
            shares={shares}
            selected={selected}
            onSelect={select}
            tooltip={(index) => <TokenTip row={row} index={index} firedOn={firedOn} firings={firingsOf(index)} />}
          />
        </section>
        <div className="contents lg:sticky lg:top-16 lg:block">
          <SelectedToken
            row={row}
            token={selected}
            features={firedOn.get(selected ?? NaN) ?? []}
            all={selected === null ? null : firingsOf(selected)}
            run={run}
          />
        </div>
      </div>
      {isTextThere ? (
        <RowFeatures
          row={row}
          run={run}
          from={from}
          onFrom={setFrom}
          order={order}
          onOrder={(next) => {
            navigate(promptPath(row.row_id, run, selected, next), { replace: true });
          }}
          selected={selected}
          onSelect={select}
          onPoint={setPointedAt}
          labelOf={labelOf}
          all={{ encoded, isAsking: isAllWanted && answer.isFetching, error: answer.error, ask: setAllWanted }}
        />
      ) : (
        // as high, so that the page stays where it was scrolled to
        <div style={{ height: `${12 + 1.6 * row.features.length}rem` }} />
      )}
    </div>
  );
}

type TipProps = {
  row: PromptInfo;
  index: number;
  firedOn: ReadonlyMap<number, RowFeature[]>;
  /** All that fires there; null: not known. */
  firings: readonly FiringAt[] | null;
};

function TokenTip({ row, index, firedOn, firings }: TipProps) {
  if (firings === null) return <FiredFeaturesTooltip row={row} index={index} features={firedOn.get(index) ?? []} />;
  return (
    <EncodedTooltip token={row.tokens[index] ?? ""} index={index} tokenId={row.token_ints[index]} firings={firings} />
  );
}
