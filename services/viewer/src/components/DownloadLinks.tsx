/** A list as files: CSV and Parquet from the API, or the API's own JSON. */

type Props = {
  /** Where the API has the list. */
  address: URL;
  /** What the list is of, for whoever can't see it. */
  what: string;
};

const KINDS = [
  ["csv", "CSV"],
  ["parquet", "Parquet"],
  ["json", "JSON"],
] as const;
const MOST = "10000"; // that the API gives at once

export function DownloadLinks({ address, what }: Props) {
  return (
    <span className="inline-flex items-baseline gap-x-2 text-xs print:hidden">
      <span className="text-muted">Download:</span>
      {KINDS.map(([kind, name]) => {
        const url = new URL(address);
        url.searchParams.set("format", kind);
        if (kind === "json") url.searchParams.set("limit", MOST); // tables are whole by themselves
        return (
          <a key={kind} href={url.href} download={kind !== "json"} className="text-accent hover:underline">
            {name}
            <span className="sr-only"> of {what}</span>
          </a>
        );
      })}
    </span>
  );
}
