/** All features of a list, as a table that is as long as the list; rows are there, and are loaded, where they are seen. */

import { type CSSProperties, type MouseEvent, useId, useMemo } from "react";
import { useLocation } from "wouter";

import type { Ranking } from "../../apiTypes";
import { useRowsAddedPerFrame } from "../../hooks/useRowsAddedPerFrame";
import { useHoverCard } from "../../hooks/useHoverCard";
import { useHeaderHeight } from "../../hooks/useHeaderHeight";
import { useScrolledRow } from "../../hooks/useScrolledRow";
import { useVirtualRows } from "../../hooks/useVirtualRows";
import { useWidth } from "../../hooks/useWidth";
import { basePath } from "../../lib/basePath";
import { columnsThatFit, gridTemplate } from "../../lib/featureColumns";
import { listQuery, sortedBy } from "../../lib/ranking";
import { featurePath, featuresPath, type ViewState } from "../../lib/viewState";
import { useLabels } from "../../labelQueries";
import { useFeatureRows } from "../../queries";
import { ColumnHeads } from "./ColumnHeads";
import { FeatureCard } from "./FeatureCard";
import { FeatureRow } from "./FeatureRow";

const ROW_HEIGHT = 34; // as in FeatureRow
const ROWS_PER_FRAME = 4;
const HEADS_HEIGHT = 38; // as in ColumnHeads
const WIDTH_BEFORE_MEASURED = 320;

type Props = {
  ranking: Ranking;
  /** The state that the ranking belongs to. */
  state: ViewState;
  onChange: (state: ViewState, how: { replace: boolean }) => void;
};

export function FeatureTable({ ranking, state, onChange }: Props) {
  const [frame, width] = useWidth();
  const headerHeight = useHeaderHeight();
  const { metric, metrics_available: metrics } = ranking;
  const chosen = (state.columns ?? metrics).join();
  const columns = useMemo(() => {
    const others = metrics.filter((name) => name !== metric && chosen.split(",").includes(name));
    return columnsThatFit(width ?? WIDTH_BEFORE_MEASURED, metric, others);
  }, [width, metric, metrics, chosen]);

  const list = useVirtualRows({
    count: ranking.num_matching,
    rowHeight: ROW_HEIGHT,
    covered: headerHeight + HEADS_HEIGHT,
    initialRow: state.offset,
  });
  const { featureAt, error, retry } = useFeatureRows(state, list.rows);
  const whole = useRowsAddedPerFrame(
    list.rows.filter((rank) => featureAt(rank) !== undefined),
    ROWS_PER_FRAME,
  );
  const labels = useLabels(state.run).data?.byId;
  const tellPlace = useScrolledRow({
    listKey: JSON.stringify(listQuery(state)),
    row: state.offset,
    firstVisible: list.firstVisible,
    scrollToRow: list.scrollToRow,
    onScrolled: (offset) => {
      onChange({ ...state, offset }, { replace: true });
    },
  });

  const cardId = useId();
  const card = useHoverCard("[data-row]");
  const pointed = card.shown === null ? undefined : featureAt(Number(card.shown.dataset.row));

  // one handler for all rows: a router's link in each takes longer to draw than what is in the row
  const [, navigate] = useLocation();
  const follow = (event: MouseEvent) => {
    const link = (event.target as Element).closest<HTMLAnchorElement>("a[href]");
    if (link === null || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    event.preventDefault();
    if (link.ariaDisabled !== "true") navigate(link.pathname.slice(basePath().length) + link.search);
  };

  return (
    <div ref={frame} onClickCapture={tellPlace} onClick={follow}>
      <div
        role="table"
        aria-label="Features"
        aria-rowcount={ranking.num_matching + 1}
        aria-busy={error === null && list.rows.some((rank) => !whole.has(rank))}
        className="panel tabular-nums"
        style={{ "--feature-columns": gridTemplate(columns) } as CSSProperties}
      >
        <div
          role="rowgroup"
          className="sticky z-10 rounded-t-md border-b border-line bg-panel"
          style={{ top: headerHeight }}
        >
          <ColumnHeads
            columns={columns}
            ranking={ranking}
            onSort={(name) => {
              onChange(sortedBy(state, name, ranking), { replace: false });
            }}
          />
        </div>
        <div
          role="rowgroup"
          className="relative"
          {...list.listProps}
          {...card.targetProps}
          onFocus={(event) => {
            list.listProps.onFocus(event);
            card.targetProps.onFocus(event);
          }}
          onBlur={(event) => {
            list.listProps.onBlur(event);
            card.targetProps.onBlur();
          }}
        >
          {list.rows.map((rank) => {
            const feature = whole.has(rank) ? featureAt(rank) : undefined;
            return (
              <FeatureRow
                key={rank}
                rank={rank}
                top={rank * ROW_HEIGHT}
                feature={feature}
                href={feature === undefined ? featuresPath(state) : featurePath(feature.feature_id, state)}
                columns={columns}
                isTabStop={rank === list.tabStop}
                label={feature === undefined ? undefined : labels?.get(feature.feature_id)}
                describedBy={feature !== undefined && feature === pointed ? cardId : undefined}
              />
            );
          })}
        </div>
      </div>
      {card.shown !== null && pointed !== undefined && (
        <FeatureCard
          key={pointed.feature_id}
          id={cardId}
          featureId={pointed.feature_id}
          run={state.run}
          anchor={card.shown}
          at={card.at}
          {...card.cardProps}
        />
      )}
      {error !== null && (
        <div role="alert" className="panel sticky bottom-2 mx-2 flex flex-wrap items-center gap-3 px-3 py-2">
          <span className="text-danger">Some rows could not be loaded: {error.message}</span>
          <button type="button" className="control" onClick={retry}>
            Try again
          </button>
        </div>
      )}
    </div>
  );
}
