/** The features whose decoder directions are nearest, in this autoencoder and in another one. */

import { Link } from "wouter";

import type { FeatureInfo, Neighbour } from "../../apiTypes";
import { featurePath, type ViewState } from "../../lib/viewState";
import { TokenChips } from "../TokenChips";
import { Missing, Panel } from "./Panel";

const SHOWN = 6;

export function Neighbours({ info, state }: { info: FeatureInfo; state: ViewState }) {
  const { neighbours, neighbours_elsewhere: elsewhere, missing = {} } = info;
  return (
    <>
      {neighbours === null ? (
        <Missing title="Nearest features" why={missing.neighbours} />
      ) : (
        <Panel title="Nearest features" note="cosine of decoder directions">
          <ol aria-label="Nearest features" className="text-xs">
            {neighbours.slice(0, SHOWN).map((near) => (
              <Nearest key={near.feature_id} near={near} state={state} />
            ))}
          </ol>
        </Panel>
      )}
      {elsewhere === undefined ? (
        <Missing title="Nearest in another autoencoder" why={missing.neighbours_elsewhere} />
      ) : (
        <Panel title="Nearest in another autoencoder" note={<bdi className="break-all">{elsewhere.autoencoder}</bdi>}>
          <ol className="flex flex-wrap gap-x-4 text-xs tabular-nums">
            {elsewhere.features.slice(0, SHOWN).map(({ feature_id: id, cosine }) => (
              <li key={id}>
                {id} <span className="text-muted">{cosine.toFixed(2)}</span>
              </li>
            ))}
          </ol>
        </Panel>
      )}
    </>
  );
}

function Nearest({ near, state }: { near: Neighbour; state: ViewState }) {
  return (
    <li className="grid grid-cols-[3rem_minmax(0,1fr)_2.2rem] items-baseline gap-x-1.5 leading-6 tabular-nums">
      <Link href={featurePath(near.feature_id, { ...state, band: null })} className="text-accent hover:underline">
        <span className="sr-only">Feature </span>
        {near.feature_id}
      </Link>
      {near.tokens?.length === 0 ? (
        <span className="text-muted">never fired in this run</span>
      ) : (
        <TokenChips tokens={near.tokens ?? []} />
      )}
      <span className="text-right">{near.cosine.toFixed(2).replace("-", "−")}</span>
    </li>
  );
}
