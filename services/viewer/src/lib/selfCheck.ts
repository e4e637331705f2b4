/** What a run's self-check says of its autoencoder, read from an answer whose details the API leaves open. */

export type Verdict = { verdict: string | null; reasons: string[] };

export function verdictOf(selfCheck: Record<string, unknown> | null): Verdict {
  const { verdict, reasons } = selfCheck ?? {};
  return {
    verdict: typeof verdict === "string" ? verdict : null,
    reasons: Array.isArray(reasons) ? reasons.filter((reason) => typeof reason === "string") : [],
  };
}
