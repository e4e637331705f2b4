/** Why runs can't be started or changed here. */
export function ReadOnlyNote() {
  return (
    <p className="text-muted">
      Runs can’t be started or changed from this page, because no services stand behind this API: use{" "}
      <code className="text-ink">saescope run</code>, or bring the services up with{" "}
      <code className="text-ink">docker compose up</code>.
    </p>
  );
}
