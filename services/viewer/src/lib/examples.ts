/** Which of a feature's stored windows are shown for what. Knows nothing of how they are drawn. */

import type { FeatureInfo, FeatureToken, Place, Sequence } from "../apiTypes";
import { bandAt, type Band } from "./bands";
import { wordAround, type Word } from "./tokens";

/** A token in a text, and what the feature does in that text as far as it is known. */
export type Occurrence = Place & {
  /** By token; null where only the token at `idx` was looked at, at which the feature doesn't fire. */
  acts: number[] | null;
  /** How often this very text occurred; null where it isn't known. */
  count: number | null;
};

const CONTEXT = 3; // tokens on each side; texts that agree there teach the same
const WORDS_PER_TOKEN = 2;
const TELLING_TOKENS = 6;
const FEW = 10; // near misses; where there are fewer, less telling ones are better than none
const TELLING_SHARE = 0.02; // that a feature is silent at nearly every comma tells nothing
const MOST_OF_A_TOKEN = 4;

export function activationOf({ acts, idx }: Occurrence): number {
  return acts?.[idx] ?? 0;
}

export function keyOf({ row_id: row, offset, idx }: Occurrence): string {
  return `${row}-${offset}-${idx}`;
}

/** All stored windows, each place once: those of the API's bands first, which are drawn from every strength. */
function allWindows(info: FeatureInfo): Sequence[] {
  const bands = (info.bands ?? []).flatMap(({ examples }) => examples);
  return distinct([...bands, ...info.random, ...info.top], keyOf);
}

/** The examples of each band, the most different ones first. */
export function examplesByBand(info: FeatureInfo, bands: readonly Band[]): Map<number, Sequence[]> {
  const found = new Map<number, Sequence[]>(bands.map(({ index }) => [index, []]));
  for (const example of allWindows(info)) {
    const band = bandAt(bands, example.act);
    if (band !== undefined) found.get(band.index)?.push(example);
  }
  const [strongest] = info.top;
  const last = found.get(bands.length - 1);
  if (strongest !== undefined && last !== undefined) last.unshift(strongest); // without it, the range isn't shown
  return new Map([...found].map(([index, examples]) => [index, mostDifferentFirst(distinct(examples, textOf))]));
}

/** So many of the examples, the strongest first. */
export function strongestFirst(examples: readonly Sequence[], most: number): Sequence[] {
  return examples.slice(0, most).sort((one, other) => other.act - one.act);
}

/** A few texts that stand for all: the strongest of each band, the strongest band first and with most of them. */
export function fewExamples(info: FeatureInfo, bands: readonly Band[], most: number): Sequence[] {
  const byBand = examplesByBand(info, bands);
  const lists = bands.toReversed().map(({ index }) => byBand.get(index) ?? []);
  const ofOthers = lists.slice(1).filter((list) => list.length > 0).length;
  const ofStrongest = Math.max(1, most - ofOthers);
  return lists.flatMap((list, place) => strongestFirst(list, place === 0 ? ofStrongest : 1)).slice(0, most);
}

export type NearMisses = { token: FeatureToken; examples: Occurrence[] };

/**
 * Where the feature doesn't fire though the token is one that it often fires on, by token.
 *
 * First those that were drawn at random from all such places, then those in the stored windows, where it fires elsewhere.
 */
export function nearMisses(info: FeatureInfo): NearMisses[] {
  const drawn = new Map((info.not_firing ?? []).map(({ token_id: id, examples }) => [id, examples]));
  const windows = distinct(allWindows(info), textOf);
  return (info.tokens ?? []).flatMap((token) => {
    if (token.share_of_occurrences === 1) return [];
    const places = [
      ...(drawn.get(token.token_id) ?? []).map((place) => ({ ...place, acts: null, count: null })),
      ...windows.flatMap((window) => silentPlaces(window, token.token_id)),
    ];
    const examples = distinct(places, contextOf);
    return examples.length === 0 ? [] : [{ token, examples }];
  });
}

function silentPlaces(window: Sequence, tokenId: number): Occurrence[] {
  return window.token_ints.flatMap((id, idx) =>
    id === tokenId && idx >= window.first_counted && window.acts[idx] === 0 ? [{ ...window, idx }] : [],
  );
}

/** Some of the near misses: of the few tokens that make it fire often, and often don't. */
export function mixed(misses: readonly NearMisses[], most: number): Occurrence[] {
  const weight = ({ token }: NearMisses) => token.share * (1 - token.share_of_occurrences);
  const isTelling = ({ token: { share, share_of_occurrences: fires } }: NearMisses) =>
    Math.min(share, fires) >= TELLING_SHARE;
  const sorted = misses.toSorted((one, other) => weight(other) - weight(one));
  const some = (of: NearMisses[]) =>
    roundRobin(of.slice(0, TELLING_TOKENS).map(({ examples }) => examples.slice(0, MOST_OF_A_TOKEN)));
  const telling = some(sorted.filter(isTelling)).slice(0, most);
  const others = some(sorted.filter((one) => !isTelling(one)));
  return [...telling, ...others.slice(0, Math.max(0, Math.min(FEW, most) - telling.length))];
}

/** Stored places at which the feature fires on a token, those that read differently. */
export function firingsOn(info: FeatureInfo, tokenId: number): Occurrence[] {
  const places = allWindows(info).flatMap((window) =>
    window.token_ints.flatMap((id, idx) => (id === tokenId && (window.acts[idx] ?? 0) > 0 ? [{ ...window, idx }] : [])),
  );
  return distinct(places, contextOf);
}

/** Words of which a token is a part where the feature fires on it, by the token's id. */
export function wordsByToken(info: FeatureInfo): Map<number, Word[]> {
  const found = new Map<number, Map<string, Word>>();
  for (const { tokens, token_ints: ids, acts } of allWindows(info)) {
    for (const [index, id] of ids.entries()) {
      const word = (acts[index] ?? 0) > 0 ? wordAround(tokens, index) : null;
      if (word === null) continue;
      const words = found.get(id) ?? new Map<string, Word>();
      words.set(`${word.before}|${word.after}`, word);
      found.set(id, words);
    }
  }
  return new Map([...found].map(([id, words]) => [id, [...words.values()].slice(0, WORDS_PER_TOKEN)]));
}

/** Other tokens before other texts of the same token, and what reads the same around the token last. */
function mostDifferentFirst(examples: readonly Sequence[]): Sequence[] {
  const fresh = distinct(examples, contextOf);
  const byToken = new Map<number, Sequence[]>();
  for (const example of fresh) {
    const id = example.token_ints[example.idx] ?? -1;
    byToken.set(id, [...(byToken.get(id) ?? []), example]);
  }
  return [...roundRobin([...byToken.values()]), ...examples.filter((example) => !fresh.includes(example))];
}

function roundRobin<Item>(groups: readonly (readonly Item[])[]): Item[] {
  const longest = Math.max(0, ...groups.map((group) => group.length));
  return Array.from({ length: longest }, (_, turn) => groups.flatMap((group) => group.slice(turn, turn + 1))).flat();
}

function distinct<Item>(items: readonly Item[], key: (item: Item) => string): Item[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const own = key(item);
    const isNew = !seen.has(own);
    seen.add(own);
    return isNew;
  });
}

function textOf({ token_ints: ids, idx }: Occurrence): string {
  return `${idx} ${ids.join(" ")}`;
}

function contextOf({ token_ints: ids, idx }: Occurrence): string {
  return ids.slice(Math.max(0, idx - CONTEXT), idx + CONTEXT + 1).join(" ");
}
