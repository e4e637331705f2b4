/** What a text in the header's field may mean: a feature's number or label, a token, a phrase. Talks to nobody. */

import type { Label, Prompt, PromptList, RankedFeature, Ranking } from "../apiTypes";
import { promptPath, promptsPath } from "./promptState";
import { DEFAULT_STATE, featurePath, featuresPath, NO_FILTERS, type ViewState } from "./viewState";

export const FEATURES_SHOWN = 4;
export const ROWS_SHOWN = 3;
const LABELS_SHOWN = 6;

/** Somewhere to go. */
export type Target = { key: string; href: string } & (
  | { kind: "feature"; featureId: number; feature?: RankedFeature }
  | { kind: "features"; token: string; count: number | null }
  | { kind: "row"; prompt: Prompt; text: string }
  | { kind: "rows"; text: string }
);

export type TargetGroup = { title: string; targets: Target[] };

export type Asked = {
  /** As it was typed. */
  text: string;
  state: ViewState;
  /** Null: not known yet. */
  numFeatures: number | null;
  labels: Iterable<Label>;
  /** The answers to this very text; undefined until they are there. */
  features: Ranking | undefined;
  rows: PromptList | undefined;
};

/** Where the text may lead, the likeliest first. What is known not to be there is left out. */
export function targetsOf(asked: Asked): TargetGroup[] {
  if (asked.text.trim() === "") return [];
  const byToken = { title: "Features by token", targets: tokenTargets(asked) };
  const byPhrase = { title: "Rows", targets: rowTargets(asked) };
  // hardly a token has a space in its middle
  const isPhrase = /\S\s+\S/.test(asked.text);
  const groups = [
    { title: "Number", targets: numberTargets(asked) },
    { title: "Labels", targets: labelTargets(asked) },
    ...(isPhrase ? [byPhrase, byToken] : [byToken, byPhrase]),
  ];
  return groups.filter(({ targets }) => targets.length > 0);
}

/** The number that was typed; null if it is none. */
export function typedNumber(text: string): number | null {
  return /^\s*\d{1,15}\s*$/.test(text) ? Number(text) : null;
}

function numberTargets({ text, state, numFeatures }: Asked): Target[] {
  const featureId = typedNumber(text);
  if (featureId === null || (numFeatures !== null && featureId >= numFeatures)) return [];
  return [{ kind: "feature", key: "number", featureId, href: featurePath(featureId, state) }];
}

function labelTargets({ text, state, labels }: Asked): Target[] {
  const wanted = text.trim().toLowerCase();
  const found = [...labels]
    .map(({ feature_id: featureId, label }) => ({ featureId, at: (label ?? "").toLowerCase().indexOf(wanted) }))
    .filter(({ at }) => at >= 0)
    .sort((one, other) => one.at - other.at || one.featureId - other.featureId);
  return found.slice(0, LABELS_SHOWN).map(({ featureId }) => ({
    kind: "feature",
    key: `label-${featureId}`,
    featureId,
    href: featurePath(featureId, state),
  }));
}

function tokenTargets({ text, state, features }: Asked): Target[] {
  const count = features?.num_matching ?? null;
  if (count === 0) return [];
  const list = { ...DEFAULT_STATE, run: state.run, filters: { ...NO_FILTERS, token: text } };
  const all: Target = { kind: "features", key: "features", token: text, count, href: featuresPath(list) };
  const strongest = (features?.features ?? []).slice(0, FEATURES_SHOWN).map((feature): Target => ({
    kind: "feature",
    key: `token-${feature.feature_id}`,
    featureId: feature.feature_id,
    feature,
    href: featurePath(feature.feature_id, list),
  }));
  return [all, ...strongest];
}

function rowTargets({ text, state, rows }: Asked): Target[] {
  const wanted = text.trim();
  if (rows !== undefined && rows.prompts.length === 0 && rows.next === null) return [];
  const href = promptsPath({ run: state.run, text: wanted, from: 0 });
  const found = (rows?.prompts ?? []).slice(0, ROWS_SHOWN).map((prompt): Target => ({
    kind: "row",
    key: `row-${prompt.row_id}`,
    prompt,
    text: wanted,
    href: promptPath(prompt.row_id, state.run),
  }));
  return [{ kind: "rows", key: "rows", text: wanted, href }, ...found];
}
