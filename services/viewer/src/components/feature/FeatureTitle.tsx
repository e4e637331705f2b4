/** What a feature is called: its label where it has one, else its number. */

type Props = { featureId: number; label: string | null };

export function FeatureTitle({ featureId, label }: Props) {
  return (
    <h1 className="min-w-0 text-xl font-semibold tracking-tight break-words tabular-nums">
      {label === null ? (
        `Feature ${featureId}`
      ) : (
        <>
          <bdi>{label}</bdi> <span className="text-sm font-normal text-muted">feature {featureId}</span>
        </>
      )}
    </h1>
  );
}
