/** How to make the run again, what it was made of, and the files it left. */

import type { Provenance, RunFiles } from "../../apiTypes";
import { formatBytes, formatCount, formatPlural } from "../../lib/format";
import { visibleText } from "../../lib/runTitle";
import { CopyButton } from "./CopyButton";
import { type Fact, Facts, Panel } from "./Facts";

export function MadeOf({ provenance }: { provenance: Provenance }) {
  return (
    <>
      <Panel id="again" title="The same run again">
        <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
          <code className="min-w-0 rounded bg-sunken px-2 py-1 break-all whitespace-pre-wrap">
            {visibleText(provenance.command)}
          </code>
          <CopyButton text={provenance.command} title="Copy the command" />
        </div>
        <p className="text-xs text-muted">
          Paths are as they were given: start it in the folder where this run was started. Results are the same, byte
          for byte, with the same files and versions on the same kind of processor.
        </p>
      </Panel>
      {provenance.model !== null && (
        <Panel id="made-of" title="What it was made of">
          <Facts facts={madeOf(provenance)} />
          <details>
            <summary className="w-fit cursor-pointer text-accent">Versions and processor</summary>
            <div className="mt-2">
              <Facts facts={[...Object.entries(provenance.versions), ...Object.entries(provenance.processor)]} />
            </div>
          </details>
        </Panel>
      )}
      {provenance.files.length > 0 && <Files files={provenance.files} />}
    </>
  );
}

/** What is told of the source under names of its own; whatever else there is follows under the files' own names. */
const TOLD = ["source", "file", "format", "text_column", "compression", "bytes"];

function madeOf({ source, model, autoencoder, rows_hash }: Provenance): Fact[] {
  const files = Object.entries(model?.files ?? {}).map(([name, sha]): Fact => [name, <Hash key={name} sha={sha} />]);
  return [
    ["source", known(source["source"])],
    ["file", source["file"] === source["source"] ? null : known(source["file"])],
    ["read as", readAs(source)],
    ["size", typeof source["bytes"] === "number" ? formatBytes(source["bytes"]) : null],
    ...Object.entries(source)
      .filter(([name]) => !TOLD.includes(name))
      .map(([name, value]): Fact => [name.replaceAll("_", " "), known(value)]),
    ["rows, SHA-256", rows_hash === null ? null : <Hash sha={rows_hash} />],
    ["model", model === null ? null : visibleText(model.name)],
    ["hook", model?.hook ?? null],
    ["hub revision", model?.commit == null ? null : visibleText(model.commit)],
    ...files,
    ["autoencoder", autoencoder === null ? null : visibleText(autoencoder.address ?? autoencoder.name)],
    ["autoencoder, SHA-256", autoencoder?.sha256 == null ? null : <Hash sha={autoencoder.sha256} />],
    ["autoencoder size", autoencoder?.num_bytes == null ? null : formatBytes(autoencoder.num_bytes)],
    ["activation", autoencoder?.activation == null ? null : activation(autoencoder.activation, autoencoder.k)],
  ];
}

/** "csv, column title, gzip": the format, the column with the text, and the compression. */
function readAs(source: Provenance["source"]): string | null {
  const column = known(source["text_column"]);
  const parts = [known(source["format"]), column === null ? null : `column ${column}`, known(source["compression"])];
  const told = parts.filter((part) => part !== null);
  return told.length === 0 ? null : told.join(", ");
}

function known(value: string | number | boolean | null | undefined): string | null {
  return value == null || value === "" || value === false ? null : visibleText(String(value));
}

function activation(name: string, k: number | null): string {
  return k === null ? visibleText(name) : `${visibleText(name)}, k = ${k}`;
}

function Hash({ sha }: { sha: string }) {
  return <span className="font-mono text-xs">{visibleText(sha)}</span>;
}

function Files({ files }: { files: RunFiles[] }) {
  const sizes = files.map(({ num_bytes: bytes }) => bytes);
  const total = sizes.includes(null) ? null : sizes.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0);
  return (
    <details>
      <summary className="w-fit cursor-pointer font-semibold">
        {formatPlural(
          files.reduce((sum, { num_files: count }) => sum + count, 0),
          "file",
        )}
        {total !== null && `, ${formatBytes(total)}`}
      </summary>
      <table aria-label="Files" className="panel mt-2 w-full max-w-2xl text-left tabular-nums">
        <tbody>
          {files.map(({ name, num_files: count, num_bytes: bytes }) => (
            <tr key={name} className="[&>*]:px-3 [&>*]:py-0.5">
              <th scope="row" className="font-mono text-xs font-normal break-all">
                {visibleText(name)}
              </th>
              <td className="text-right text-muted">{name.endsWith("/") ? `${formatCount(count)} files` : ""}</td>
              <td className="text-right">{bytes === null ? "–" : formatBytes(bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
